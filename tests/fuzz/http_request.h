#pragma once
#include <filesystem>
#include <memory>
#include <string_view>

namespace cce {

/// The request path from bytes to response: the server's parser with its limits, access checks, router,
/// handlers, over a real job service in a folder of its own with a queued and a completed job. No sockets, no
/// threads.
class HttpRequestTarget {
 public:
  HttpRequestTarget();
  ~HttpRequestTarget();
  HttpRequestTarget(const HttpRequestTarget&) = delete;
  HttpRequestTarget& operator=(const HttpRequestTarget&) = delete;

  /// Serves `bytes` as what a connection sends; the words QUEUEDJOBQUEUEDJOBQQ and COMPLETEDJOBCOMPLETED
  /// stand for the two jobs' ids. False: they are no whole request, and nothing was asked. Throws
  /// std::logic_error where a response breaks a promise: a status without a phrase or of the server's own
  /// fault, a header that could end early, a problem that is no JSON, bytes of a file outside of the job.
  bool serve(std::string_view bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cce
