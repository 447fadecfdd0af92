#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/error.h"

namespace cce {

/// The names of a setting's values as recipes and spec.json write them; one table serves reading and writing.
template <typename Value>
using NameTable = std::vector<std::pair<std::string, Value>>;

/// The name of a value. Errors: invalid_argument for a value that the table lacks.
template <typename Value>
std::string_view name_in(const NameTable<Value>& table, Value wanted) {
  for (const auto& [name, value] : table) {
    if (value == wanted) {
      return name;
    }
  }
  throw Error{.code = ErrorCode::invalid_argument,
              .where = "name of a setting",
              .found = std::to_string(static_cast<int>(wanted)),
              .expected = "a listed value",
              .remedy = "Report this: it is a bug."};
}

}  // namespace cce
