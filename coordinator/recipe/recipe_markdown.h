#pragma once
#include <string>

namespace cce {

/// docs/recipe.md: every key that a user may set, from the table of recipe_keys.h.
std::string recipe_markdown();

}  // namespace cce
