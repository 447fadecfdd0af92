#include "coordinator/command/serve_options.h"

#include <algorithm>

#include "common/base/error.h"

namespace cce {

ListenAddress parse_listen_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  std::string address = text.substr(0, std::min(colon, text.size()));
  const bool digits = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool brackets = address.size() > 2 && address.starts_with('[') && address.ends_with(']');
  const bool bare_v6 = !brackets && address.find(':') != std::string::npos;
  if (port.empty() || port.size() > 5 || !digits || std::stol(port) > 65535 || address.empty() || bare_v6) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "--listen",
                .found = text,
                .expected = "ADDRESS:PORT, such as 127.0.0.1:8642 or [::1]:0",
                .remedy = "Give both, with a colon between them; an IPv6 address needs its brackets."};
  }
  if (brackets) {
    address = address.substr(1, address.size() - 2);
  }
  if (address == "localhost") {
    address = "127.0.0.1";
  }
  return {.address = address, .port = static_cast<std::uint16_t>(std::stol(port))};
}

std::string server_url(const ListenAddress& listen) {
  const bool v6 = listen.address.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + listen.address + "]" : listen.address) + ":" + std::to_string(listen.port);
}

}  // namespace cce
