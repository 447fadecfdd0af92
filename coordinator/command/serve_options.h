#pragma once
#include <cstdint>
#include <string>

namespace cce {

/// Where a server listens.
struct ListenAddress {
  std::string address;  ///< an IP address without brackets
  std::uint16_t port = 0;
};

/// "127.0.0.1:8642", "[::1]:8642", "localhost:0". Errors: out_of_range, where "--listen".
ListenAddress parse_listen_address(const std::string& text);

/// "http://ADDRESS:PORT", IPv6 in brackets.
std::string server_url(const ListenAddress& listen);

}  // namespace cce
