#pragma once
#include <string>

#include "coordinator/client/client_service.h"
#include "tests/coordinator/client/scripted_server.h"

namespace cce {

inline std::string job_text(const std::string& state, const std::string& more = "") {
  return R"({"id": "j1", "state": ")" + state + R"(", "attempt": 1, "model": "tiny")" + more + "}";
}

/// A client that does not wait between tries.
inline ServiceClient impatient_client(const ScriptedServer& server, int tries = 5) {
  return ServiceClient(
      HttpClient(parse_server_url(server.url()), "", {.connect_seconds = 5.0, .silence_seconds = 5.0}),
      [](double) { return true; }, tries);
}

inline std::string line_of(const std::string& request) {
  return request.substr(0, request.find("\r\n"));
}

/// The value of a header, "" where it is absent.
inline std::string header_of(const std::string& request, const std::string& name) {
  const std::size_t at = request.find("\r\n" + name + ": ");
  if (at == std::string::npos) {
    return "";
  }
  const std::size_t start = at + name.size() + 4;
  return request.substr(start, request.find("\r\n", start) - start);
}

}  // namespace cce
