#pragma once
#include <string>
#include <string_view>

namespace cce {

/// Where a server is reached.
struct ServerUrl {
  bool tls = false;
  std::string host;  ///< a name, an IPv4 address, or an IPv6 address without its brackets
  std::string port;
  std::string base_path;  ///< "" or "/prefix", without a final slash

  /// "http://HOST:PORT/prefix", as it is shown to people.
  std::string text() const;
  /// HOST or HOST:PORT as the Host header has it: brackets around IPv6, no default port.
  std::string authority() const;
};

/// Reads http://HOST[:PORT][/PREFIX] or https://… (ports 80 and 443 where none is given). Errors:
/// out_of_range for another scheme, user names, queries, fragments and anything that is no URL.
ServerUrl parse_server_url(const std::string& url);

/// Percent-encodes all but unreserved characters (RFC 3986) and, where asked, the slash.
std::string percent_encoded(std::string_view text, bool keep_slashes = false);

}  // namespace cce
