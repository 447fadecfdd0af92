#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cce {

/// A request target taken apart and decoded: what comes out is valid UTF-8 without control characters.
struct RequestTarget {
  std::vector<std::string> segments;                         ///< of the path; "/" has none
  std::vector<std::pair<std::string, std::string>> queries;  ///< in order; no name occurs twice
};

/// Origin form only ("/v1/jobs?state=running"). Nothing for anything else: a bad percent escape, an empty
/// segment other than the last, "." or "..", a decoded '/', '\\' or control character, text that is not
/// UTF-8, a query without a name or with one given twice, more than 8 KiB. In a query '+' is a space.
std::optional<RequestTarget> parse_target(std::string_view target);

}  // namespace cce
