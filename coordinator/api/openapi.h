#pragma once
#include <string>
#include <string_view>

#include "common/base/json_writer.h"

namespace cce {

/// The OpenAPI 3.1 description of what is served: coordinator/api/openapi.json with the recipe's keys in it.
std::string openapi_document();

/// coordinator/api/openapi.json as it was at build time: its components.schemas.Recipe is left open. Alive for
/// the whole program.
std::string_view openapi_template();

/// The JSON Schema of a recipe, from the table of recipe_keys.h: the keys that a user may set. Null counts as
/// absent everywhere but at required keys.
OrderedJson recipe_schema();

}  // namespace cce
