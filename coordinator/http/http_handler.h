#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "coordinator/http/http_message.h"
#include "coordinator/service/event_stream.h"

namespace cce {

/// One answered request, for metrics.
struct Exchange {
  std::string method;
  std::string route;  ///< as in HttpResponse
  int status = 0;
  double seconds = 0.0;    ///< from the last byte of the header to the last byte of the response
  std::int64_t bytes = 0;  ///< of the response's body
};

/// What an HTTP server asks of the program behind it. None of the calls may throw. All but `check_head` are
/// called by several threads at once.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  /// Looks at a request whose body has not been read: a response refuses it. Called by the thread that moves
  /// all bytes: it must not wait for anything.
  virtual std::optional<HttpResponse> check_head(const HttpRequest& head) = 0;

  virtual HttpResponse answer(const HttpRequest& request) = 0;

  /// Up to `most_frames` events of a job after a position.
  virtual EventPage events(const std::string& job_id, const StreamPosition& after,
                           std::size_t most_frames) = 0;

  virtual void observe(const Exchange& exchange) = 0;
};

}  // namespace cce
