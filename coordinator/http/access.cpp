#include "coordinator/http/access.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "common/base/digest.h"
#include "common/base/error.h"

namespace cce {
namespace {

constexpr std::size_t shortest_token = 16;
constexpr std::size_t longest_token = 512;
constexpr int port_digits = 5;

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

/// The name in "NAME", "NAME:PORT" or "[V6]:PORT", lower case; nothing where the rest is not a port.
std::optional<std::string> host_name(std::string_view authority) {
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) {
    return std::nullopt;
  }
  const std::size_t colon = std::min(authority.find(':', bracket), authority.size());
  const std::string_view port = authority.substr(std::min(colon + 1, authority.size()));
  const bool good_port = port.size() <= port_digits &&
                         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  const std::string_view name = authority.substr(0, colon);
  const bool good_name = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == '[' || c == ']' || c == ':';
  });
  return good_port && good_name ? std::optional(lower_case(name)) : std::nullopt;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<Problem> check_host(const AccessPolicy& policy, const HttpRequest& request) {
  const std::optional<std::string_view> host = request.header("host");
  const std::optional<std::string> name = host ? host_name(*host) : std::nullopt;
  if (request.count("host") != 1 || !name) {
    return Problem{400, "bad_host", "A request needs one Host header that names this server.", {}};
  }
  static const std::vector<std::string> local_names = {"localhost", "127.0.0.1", "[::1]"};
  const bool any_name = !policy.loopback && policy.hosts.empty();
  if (any_name || contains(policy.hosts, *name) || contains(local_names, *name)) {
    return std::nullopt;
  }
  return Problem{421,
                 "unknown_host",
                 "This server does not answer to the name in Host. `cce serve --allow-host NAME` adds one.",
                 {}};
}

/// "http://AUTHORITY" or "https://AUTHORITY" whose authority is the request's own Host or a further name.
std::optional<Problem> check_origin(const AccessPolicy& policy, const HttpRequest& request) {
  const std::optional<std::string_view> origin = request.header("origin");
  if (!origin) {
    return std::nullopt;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!origin->starts_with(scheme)) {
      continue;
    }
    const std::string authority = lower_case(origin->substr(scheme.size()));
    const std::optional<std::string> name = host_name(authority);
    if (name && (authority == lower_case(*request.header("host")) || contains(policy.hosts, *name))) {
      return std::nullopt;
    }
  }
  return Problem{403, "foreign_origin", "Pages of other origins may not use this server.", {}};
}

std::optional<Problem> check_token(const AccessPolicy& policy, const HttpRequest& request) {
  if (!policy.token) {
    return std::nullopt;
  }
  constexpr std::string_view scheme = "bearer ";
  const std::optional<std::string_view> header = request.header("authorization");
  if (header && request.count("authorization") == 1 && header->size() > scheme.size() &&
      lower_case(header->substr(0, scheme.size())) == scheme &&
      policy.token->matches(header->substr(scheme.size()))) {
    return std::nullopt;
  }
  return Problem{401,
                 "unauthorized",
                 "Send the server's token as Authorization: Bearer TOKEN.",
                 {{"www-authenticate", "Bearer realm=\"cce\""}}};
}

[[noreturn]] void refuse_token_file(const std::filesystem::path& file, ErrorCode code, std::string found) {
  throw Error{.code = code,
              .where = file.string(),
              .found = std::move(found),
              .expected = "a file of mode 600 with one line of 16 to 512 visible characters",
              .remedy = "Make one: (umask 077; openssl rand -hex 32 > " + file.string() + ")"};
}

}  // namespace

AccessToken::AccessToken(std::string_view token) : digest_(digest_of_text(token)) {}

bool AccessToken::matches(std::string_view candidate) const {
  const std::string other = digest_of_text(candidate);
  unsigned difference = 0;
  for (std::size_t i = 0; i < digest_.size(); ++i) {
    difference |= static_cast<unsigned char>(digest_[i]) ^ static_cast<unsigned char>(other[i]);
  }
  return difference == 0;
}

AccessToken read_token_file(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    refuse_token_file(file, ErrorCode::missing_file, "no file that can be opened");
  }
  // Mode and bytes are taken from one descriptor, so that they belong to the same file.
  struct stat facts {};
  char bytes[longest_token + 2];
  const bool known = ::fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode);
  const ssize_t got = known ? ::read(descriptor, bytes, sizeof bytes) : -1;
  ::close(descriptor);
  if (got < 0) {
    refuse_token_file(file, ErrorCode::missing_file, "no regular file");
  }
  if ((facts.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    refuse_token_file(file, ErrorCode::out_of_range, "a mode that lets others than the owner at it");
  }
  std::string_view token(bytes, static_cast<std::size_t>(got));
  if (token.ends_with('\n')) {
    token.remove_suffix(1);
  }
  const bool visible = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (token.size() < shortest_token || token.size() > longest_token || !visible) {
    refuse_token_file(file, ErrorCode::out_of_range, "another content");
  }
  return AccessToken(token);
}

bool is_loopback_address(std::string_view address) {
  return address == "::1" || address.starts_with("127.");
}

std::optional<Problem> check_access(const AccessPolicy& policy, const HttpRequest& request,
                                    bool public_route) {
  if (auto problem = check_host(policy, request)) {  // 1.
    return problem;
  }
  if (auto problem = check_origin(policy, request)) {  // 2.
    return problem;
  }
  return public_route ? std::nullopt : check_token(policy, request);  // 3.
}

std::optional<Problem> check_content_type(const HttpRequest& request) {
  if (request.method != "POST") {
    return std::nullopt;
  }
  const std::string type = lower_case(request.header("content-type").value_or(""));
  const std::string_view essence = std::string_view(type).substr(0, type.find(';'));
  const std::size_t last = essence.find_last_not_of(" \t");
  if (request.count("content-type") == 1 && last != std::string_view::npos &&
      essence.substr(0, last + 1) == "application/json") {
    return std::nullopt;
  }
  return Problem{415, "unsupported_media_type", "POST takes Content-Type: application/json.", {}};
}

}  // namespace cce
