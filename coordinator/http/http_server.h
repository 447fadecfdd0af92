#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "coordinator/http/http_handler.h"

namespace cce {

/// Every wait has a deadline and everything that a client can make grow has a limit.
struct HttpLimits {
  std::size_t header_bytes = 16 * 1024;
  std::size_t body_bytes = 1024 * 1024;
  std::size_t connections = 1024;
  std::size_t streams = 512;        ///< event streams at once, within the connections
  double idle_seconds = 60.0;       ///< between two requests of one connection
  double header_seconds = 10.0;     ///< from the first byte of a request to the end of its header
  double body_seconds = 30.0;       ///< for the request's body
  double answer_seconds = 60.0;     ///< for the handler; after that 504, though its work goes on
  double write_seconds = 30.0;      ///< for one write of at most 64 KiB
  double heartbeat_seconds = 15.0;  ///< of a stream without events
  double poll_seconds = 1.0;        ///< until a followed job's events are looked at without a notice
  double stop_seconds = 5.0;        ///< for open requests once the server stops
  int workers = 4;                  ///< threads that run the handler
};

struct HttpServerSettings {
  std::string address = "127.0.0.1";  ///< an IP address
  std::uint16_t port = 0;             ///< 0: any free one
  HttpLimits limits;
};

/// An HTTP/1.1 server. One thread (run's) moves all bytes; a few workers run the handler, so that a slow
/// request holds up no other. Event streams take frames only as fast as their client reads them.
class HttpServer {
 public:
  /// Listens from now on. `handler` must outlive the server. Errors: out_of_range for an invalid address;
  /// io_failure where the port is taken.
  HttpServer(const HttpServerSettings& settings, HttpHandler& handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;

  /// Serves until stop: then takes no connection, ends streams and idle connections, gives open requests
  /// `stop_seconds`, and returns. Once only.
  void run();
  /// From any thread, any number of times.
  void stop();
  /// From any thread: there is something new in a job's events. Followers need not wait for the poll.
  void notify(const std::string& job_id);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cce
