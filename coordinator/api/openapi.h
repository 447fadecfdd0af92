#pragma once
#include <string_view>

namespace cce {

/// The OpenAPI 3.1 description of what is served, as coordinator/api/openapi.json was at build time. Alive
/// for the whole program.
std::string_view openapi_document();

}  // namespace cce
