#include <algorithm>

#include "common/base/nearest_name.h"
#include "common/model/families/family.h"

namespace cce {
namespace {

bool has(const LayerShape& shape, TensorRole role) {
  return has_part(shape, layer_part(role));
}

std::string names_of(std::span<const TensorRole> roles) {
  std::vector<std::string> names;
  for (const TensorRole role : roles) {
    names.emplace_back(layer_part(role).name);
  }
  return join_names(names);
}

std::vector<TensorRole> optional_parts_of(const LayerShape& shape) {
  std::vector<TensorRole> roles;
  for (const LayerPart& part : layer_parts()) {
    if (part.is_there != nullptr && !part.is_of_family && has_part(shape, part)) {
      roles.push_back(part.role);
    }
  }
  return roles;
}

std::string expected_parts(const Family& family) {
  std::string text;
  for (const OptionalParts& group : family.optional_parts) {
    text += (text.empty() ? "" : "; ") + std::string(group.key == nullptr ? "" : "all or none of ") +
            names_of(group.parts);
  }
  return (text.empty() ? "none of them" : text) + " in " + std::string(family.class_name);
}

}  // namespace

void read_optional_parts(const Family& family, JsonReader& config, LayerShape& shape) {
  for (const OptionalParts& group : family.optional_parts) {
    const bool are_there = group.key == nullptr || config.boolean_or(group.key, false);
    for (const TensorRole role : group.parts) {
      shape.*layer_part(role).is_there = are_there;
    }
  }
}

void write_optional_parts(const Family& family, const LayerShape& shape, OrderedJson& config) {
  for (const OptionalParts& group : family.optional_parts) {
    if (group.key != nullptr) {
      config[group.key] = has(shape, group.parts.front());
    }
  }
}

std::optional<MisplacedParts> find_misplaced_parts(const Family& family, const LayerShape& shape) {
  const std::vector<TensorRole> found = optional_parts_of(shape);
  std::size_t explained = 0;
  bool are_whole = true;
  for (const OptionalParts& group : family.optional_parts) {
    const auto count = static_cast<std::size_t>(std::count_if(
        group.parts.begin(), group.parts.end(), [&shape](TensorRole role) { return has(shape, role); }));
    are_whole = are_whole && (count == group.parts.size() || (count == 0 && group.key != nullptr));
    explained += count;
  }
  if (are_whole && explained == found.size()) {
    return std::nullopt;
  }
  return MisplacedParts{found.empty() ? "no optional part" : names_of(found), expected_parts(family)};
}

}  // namespace cce
