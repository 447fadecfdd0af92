#include "common/recipe/recipe_keys.h"

#include <algorithm>

namespace cce {
namespace {

void visit_path(Json& value, KeyPath kind, const std::string& where, const PathVisitor& visit) {
  if (value.is_string() && !value.get_ref<const std::string&>().empty()) {
    visit(value.get_ref<std::string&>(), kind, where);
  }
}

void visit_texts(Json& texts, const std::string& where, const PathVisitor& visit) {
  if (texts.is_array()) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      visit_texts(texts[i], where + "[" + std::to_string(i) + "]", visit);
    }
  } else if (texts.is_object() && texts.contains("path")) {
    visit_path(texts["path"], KeyPath::texts, where + ".path", visit);
  } else {
    visit_path(texts, KeyPath::texts, where, visit);
  }
}

/// The value at a key of a recipe; nullptr where there is none.
Json* find_value(Json& recipe, const RecipeKey& key) {
  Json* place = &recipe;
  for (const std::string& name : {key.section, key.name}) {
    if (name.empty()) {
      continue;
    }
    if (!place->is_object() || !place->contains(name)) {
      return nullptr;
    }
    place = &(*place)[name];
  }
  return place;
}

}  // namespace

std::string RecipeKey::key_path() const {
  return section.empty() ? name : section + "." + name;
}

std::vector<const RecipeKey*> recipe_keys() {
  std::vector<const RecipeKey*> keys;
  for (const RecipeSection& section : recipe_sections()) {
    for (const RecipeKey& key : section.keys) {
      keys.push_back(&key);
    }
  }
  return keys;
}

std::vector<const RecipeKey*> decides(Stage stage) {
  std::vector<const RecipeKey*> keys = recipe_keys();
  std::erase_if(keys, [stage](const RecipeKey* key) {
    return std::find(key->decides.begin(), key->decides.end(), stage) == key->decides.end();
  });
  return keys;
}

void visit_paths(Json& recipe, const PathVisitor& visit) {
  for (const RecipeKey* key : recipe_keys()) {
    Json* value = key->path == KeyPath::none ? nullptr : find_value(recipe, *key);
    if (value == nullptr) {
      continue;
    }
    if (key->path == KeyPath::texts) {
      visit_texts(*value, key->key_path(), visit);
    } else {
      visit_path(*value, key->path, key->key_path(), visit);
    }
  }
}

}  // namespace cce
