#include "coordinator/recipe/recipe.h"

#include <charconv>
#include <fstream>
#include <sstream>
#include <vector>

#include "common/recipe/recipe_keys.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split_path(std::string_view key_path) {
  std::vector<std::string> keys;
  std::size_t start = 0;
  while (true) {
    const std::size_t dot = key_path.find('.', start);
    keys.emplace_back(key_path.substr(start, dot == std::string_view::npos ? dot : dot - start));
    if (dot == std::string_view::npos) {
      return keys;
    }
    start = dot + 1;
  }
}

Json& value_at(Json& nested, const std::vector<std::string>& keys) {
  Json* place = &nested;
  for (const std::string& key : keys) {
    place = &(*place)[key];
  }
  return *place;
}

/// The key that a path into its value belongs to: "calibration.text" for "calibration.text.0.path".
std::vector<std::string> without_item(std::vector<std::string> keys) {
  const auto names_item = [](const std::string& key) {
    return key == "path" || key.find_first_not_of("0123456789") == std::string::npos;
  };
  while (keys.size() > 1 && names_item(keys.back())) {
    keys.pop_back();
  }
  return keys;
}

Json& list_item(Json& list, const std::string& index_text, const std::string& where) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(index_text.data(), index_text.data() + index_text.size(), index);
  if (error != std::errc() || end != index_text.data() + index_text.size() || index >= list.size()) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = where,
                .found = index_text,
                .expected = "an index below " + std::to_string(list.size()),
                .remedy = "Or set the whole list: KEY=[a, b]."};
  }
  return list[index];
}

/// A job has one target: naming a kind of it removes the others.
void keep_one_target(Json& recipe, const std::vector<std::string>& keys) {
  if (keys[0] == "threshold") {
    recipe.erase("target");
  } else if (keys[0] == "target") {
    recipe.erase("threshold");
    if (keys.size() > 1 && recipe.contains("target") && recipe["target"].is_object()) {
      recipe["target"] = Json::object();
    }
  }
}

std::string read_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream || fs::is_directory(file)) {
    throw Error{.code = ErrorCode::missing_file,
                .where = file.string(),
                .found = fs::exists(file) ? "not a readable file" : "nothing",
                .expected = "a recipe (YAML)",
                .remedy = "Check the path; cce compress --help shows the flags that need no recipe."};
  }
  std::ostringstream text;
  text << stream.rdbuf();
  return std::move(text).str();
}

}  // namespace

void refuse_run_keys(const Json& recipe) {
  if (!recipe.is_object()) {
    return;
  }
  for (const RecipeKey* key : recipe_keys()) {
    const Json* section = &recipe;
    if (!key->section.empty()) {
      const auto found = recipe.find(key->section);
      section = found == recipe.end() ? nullptr : &*found;
    }
    if (key->filled_by == FilledBy::run && section != nullptr && section->is_object() &&
        section->contains(key->name)) {
      throw Error{.code = ErrorCode::unknown_key,
                  .where = std::string("recipe: ").append(key->key_path()),
                  .found = "a key that a run fills in",
                  .expected = "a recipe without it",
                  .remedy = "Leave it out"};
    }
  }
}

std::string recipe_text(const Json& recipe) {
  try {
    return recipe.dump();
  } catch (const Json::type_error&) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = "recipe",
                .found = "bytes that are not UTF-8",
                .expected = "UTF-8 text",
                .remedy = "Save the recipe as UTF-8; paths must be UTF-8 too"};
  }
}

void anchor_paths(Json& recipe, const fs::path& folder) {
  visit_paths(recipe, [&folder](std::string& text, KeyPath, const std::string&) {
    const fs::path path = text;
    text = (path.is_absolute() ? path : folder / path).lexically_normal().string();
  });
}

Json read_recipe(const fs::path& file) {
  Json recipe = parse_yaml(read_text(file), file.string());
  if (recipe.is_null()) {
    recipe = Json::object();
  }
  if (!recipe.is_object()) {
    throw Error{.code = ErrorCode::wrong_type,
                .where = file.string(),
                .found = recipe.type_name(),
                .expected = "a map of keys, as in 'model: ./models/smollm2-135m'",
                .remedy = "Every key is listed in docs/recipe.md"};
  }
  anchor_paths(recipe, fs::absolute(file).parent_path());
  return recipe;
}

void set_key(Json& recipe, std::string_view key_path, Json value) {
  const std::vector<std::string> keys = split_path(key_path);
  keep_one_target(recipe, keys);
  Json* place = &recipe;
  std::string where;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    where.append(i == 0 ? "" : ".").append(keys[i]);
    if (place->is_array()) {
      place = &list_item(*place, keys[i], where);
      continue;
    }
    if (place->is_null()) {
      *place = Json::object();
    }
    if (!place->is_object()) {
      throw Error{.code = ErrorCode::wrong_type,
                  .where = where,
                  .found = "a plain value (" + place->dump() + ") on the way",
                  .expected = "a map or list",
                  .remedy = "Set the key above it instead."};
    }
    place = &(*place)[keys[i]];
  }
  *place = std::move(value);
}

void set_anchored(Json& recipe, std::string_view key_path, Json value, const fs::path& folder) {
  // Only what this brings is anchored: the recipe's own paths already are. An item of a list of texts is
  // anchored as the list would be.
  const std::vector<std::string> keys = without_item(split_path(key_path));
  Json change = Json::object();
  value_at(change, keys) = std::move(value);
  anchor_paths(change, folder);
  set_key(recipe, key_path, value_at(change, keys));
}

void apply_setting(Json& recipe, std::string_view setting, const fs::path& folder) {
  const std::size_t equals = setting.find('=');
  const std::string_view key = setting.substr(0, equals);
  if (equals == std::string_view::npos || key.empty() || key.front() == '.' || key.back() == '.' ||
      key.find("..") != std::string_view::npos) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "--set",
                .found = std::string(setting),
                .expected = "KEY.PATH=VALUE",
                .remedy = "For example --set encode.ridge_lambda=0.1."};
  }
  set_anchored(recipe, key, parse_yaml(setting.substr(equals + 1), "--set " + std::string(key)), folder);
}

}  // namespace cce
