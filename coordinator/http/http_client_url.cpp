#include "coordinator/http/http_client_url.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "common/base/error.h"

namespace cce {
namespace {

[[noreturn]] void refuse(const std::string& url, const char* found) {
  throw Error{.code = ErrorCode::out_of_range,
              .where = "server address '" + url + "'",
              .found = found,
              .expected = "http://HOST:PORT or https://HOST:PORT, optionally with a path",
              .remedy = "For example --server http://127.0.0.1:8080."};
}

bool is_port(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 5 &&
                      std::all_of(text.begin(), text.end(),
                                  [](unsigned char character) { return std::isdigit(character) != 0; });
  return digits && std::stoi(text) >= 1 && std::stoi(text) <= 65535;
}

bool is_host_character(char character) {
  const auto byte = static_cast<unsigned char>(character);
  return std::isalnum(byte) != 0 || character == '-' || character == '.' || character == '_' ||
         character == ':';
}

/// Splits HOST, HOST:PORT, [V6] and [V6]:PORT. An absent port stays empty.
void split_authority(const std::string& url, const std::string& authority, ServerUrl& result) {
  std::string rest;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string::npos) {
      refuse(url, "a bracket that is not closed");
    }
    result.host = authority.substr(1, close - 1);
    rest = authority.substr(close + 1);
  } else {
    const std::size_t colon = authority.find(':');
    result.host = authority.substr(0, colon);
    rest = colon == std::string::npos ? "" : authority.substr(colon);
  }
  if (result.host.empty() || !std::all_of(result.host.begin(), result.host.end(), is_host_character)) {
    refuse(url, "no host name");
  }
  if (!rest.empty()) {
    result.port = rest.substr(1);
    if (rest.front() != ':' || !is_port(result.port)) {
      refuse(url, "no port number after the host");
    }
  }
}

}  // namespace

std::string ServerUrl::authority() const {
  const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? "443" : "80") ? shown : shown + ":" + port;
}

std::string ServerUrl::text() const {
  return (tls ? "https://" : "http://") + authority() + base_path;
}

ServerUrl parse_server_url(const std::string& url) {
  ServerUrl result;
  const std::size_t scheme_end = url.find("://");
  const std::string scheme = scheme_end == std::string::npos ? "" : url.substr(0, scheme_end);
  if (scheme != "http" && scheme != "https") {
    refuse(url, scheme.empty() ? "no scheme" : "another scheme");
  }
  result.tls = scheme == "https";
  const std::string rest = url.substr(scheme_end + 3);
  if (rest.find_first_of("@?#%\\ \t\r\n") != std::string::npos) {
    refuse(url, "a user name, a query, a fragment or a character that has no place here");
  }
  const std::size_t slash = rest.find('/');
  split_authority(url, rest.substr(0, slash), result);
  if (result.port.empty()) {
    result.port = result.tls ? "443" : "80";
  }
  result.base_path = slash == std::string::npos ? "" : rest.substr(slash);
  while (!result.base_path.empty() && result.base_path.back() == '/') {
    result.base_path.pop_back();
  }
  return result;
}

std::string percent_encoded(std::string_view text, bool keep_slashes) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string result;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    const bool plain = std::isalnum(byte) != 0 || character == '-' || character == '.' || character == '_' ||
                       character == '~' || (keep_slashes && character == '/');
    if (plain) {
      result += character;
    } else {
      result += '%';
      result += digits[byte >> 4U];
      result += digits[byte & 15U];
    }
  }
  return result;
}

}  // namespace cce
