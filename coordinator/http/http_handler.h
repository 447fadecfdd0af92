#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
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

/// What the header of a request leads to: a response at once, or the work that answers the request once its body
/// is there. The work may wait for things, is called by any thread, and may not throw.
struct HeadVerdict {
  std::optional<HttpResponse> refusal;
  std::function<HttpResponse(const HttpRequest& request)> answer;
};

/// What an HTTP server asks of the program behind it. None of the calls may throw. All but `check_head` are
/// called by several threads at once.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  /// Looks at a request whose body has not been read. Called by the thread that moves all bytes: it must not
  /// wait for anything.
  virtual HeadVerdict check_head(const HttpRequest& head) = 0;

  /// Up to `most_frames` events of a job after a position.
  virtual EventPage events(const std::string& job_id, const StreamPosition& after,
                           std::size_t most_frames) = 0;

  virtual void observe(const Exchange& exchange) = 0;
};

}  // namespace cce
