#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/http/http_message.h"
#include "coordinator/http/problem_json.h"

namespace cce {

/// A bearer token of which only the SHA-256 is kept. Copyable; threads may share it.
class AccessToken {
 public:
  explicit AccessToken(std::string_view token);
  /// Takes the same time whatever differs: two digests are compared, all of both.
  bool matches(std::string_view candidate) const;

 private:
  std::string digest_;
};

/// The token in a file: one line of 16 to 512 visible ASCII characters.
/// Errors: missing_file; out_of_range where others than the owner may read or write the file, or there is no
/// such line.
AccessToken read_token_file(const std::filesystem::path& file);

/// Who may talk to the server.
struct AccessPolicy {
  bool loopback = true;              ///< it listens on a loopback address
  std::optional<AccessToken> token;  ///< required of every route that is not public
  std::vector<std::string> hosts;    ///< further names it is reached by, in lower case, without ports
};

/// Whether `address` ("127.0.0.1", "::1") is one that other machines cannot reach.
bool is_loopback_address(std::string_view address);

/// Why a request is refused, or nothing:
///   1. exactly one Host, of a known name: on loopback localhost, 127.0.0.1 or [::1] (a page elsewhere could
///      have its name resolve to here); on other addresses any, where no further names are given   -> 400, 421
///   2. an Origin, where there is one, is the Host or a further name   -> 403
///   3. the bearer token, unless `public_route`   -> 401
std::optional<Problem> check_access(const AccessPolicy& policy, const HttpRequest& request,
                                    bool public_route);

/// POST has Content-Type application/json (415 otherwise), which a page from elsewhere cannot send without
/// permission.
std::optional<Problem> check_content_type(const HttpRequest& request);

}  // namespace cce
