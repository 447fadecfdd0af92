#pragma once
#include <string_view>

#include "common/base/json_reader.h"

namespace cce {

/// How errors call what a request brings.
inline constexpr std::string_view request_body_name = "request body";

/// parse_json for the body of a request. Errors: malformed_request, with parse_json's words.
Json parse_request_body(std::string_view text);

}  // namespace cce
