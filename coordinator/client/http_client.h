#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/http/http_client_url.h"

namespace cce {

struct ClientRequest {
  std::string method = "GET";
  std::string target;  ///< path and query below the server's base path, already encoded
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

/// Status and headers of a response.
struct ClientHead {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case

  std::string header(const std::string& lower_case_name) const;
};

struct ClientResponse {
  ClientHead head;
  std::string body;
};

/// Takes a response as it arrives. Each call says whether to go on; `idle` comes about ten times a second
/// while nothing else does.
struct ClientReceiver {
  std::function<bool(const ClientHead&)> head;
  std::function<bool(std::string_view)> body;
  std::function<bool()> idle;
};

struct ClientDeadlines {
  double connect_seconds = 10.0;
  double silence_seconds = 60.0;  ///< the longest time without a byte
};

/// One server over HTTP/1.1, or HTTPS with the system's certificates and the host's name checked. A
/// connection serves one request. Errors of every call: io_failure where the server is not reached or the
/// connection breaks before the response is whole; deadline_exceeded; both with the server's address.
/// Statuses are not errors here. One thread at a time.
class HttpClient {
 public:
  /// `token`: sent as a bearer token where it is not empty.
  HttpClient(ServerUrl server, std::string token, ClientDeadlines deadlines = {});

  /// The whole response. Errors besides: io_failure for a body of more than `limit_bytes`.
  ClientResponse send(const ClientRequest& request, std::int64_t limit_bytes = std::int64_t{64} << 20) const;

  /// True where the response came to its end, false where the receiver stopped it.
  bool stream(const ClientRequest& request, const ClientReceiver& receiver) const;

  const ServerUrl& server() const { return server_; }

 private:
  ServerUrl server_;
  std::string token_;
  ClientDeadlines deadlines_;
};

}  // namespace cce
