#include "common/recipe/job_spec.h"
#include "common/recipe/key_values.h"
#include "common/recipe/recipe_keys.h"

namespace cce {
namespace {

/// Reads a section's keys; asking for each makes it known to refuse_unknown_keys.
void read_keys(JsonReader& reader, const RecipeSection& section, JobSpec& spec) {
  for (const RecipeKey& key : section.keys) {
    if (key.required) {
      read_not_empty(reader.required(key.name));
    }
    if (const std::optional<JsonReader> value = reader.optional(key.name)) {
      key.read(*value, spec);
    } else if (key.when_absent) {
      key.when_absent(spec);
    }
  }
}

void refuse_two_targets(JsonReader& recipe) {
  if (recipe.has("target") && recipe.has("threshold")) {
    recipe.required("threshold")
        .refuse(ErrorCode::impossible_combination, "either target or threshold", "Remove one of the two");
  }
}

/// Earlier versions wrote this key and refused anything but an empty list.
void drop_empty_tasks(Json& document) {
  if (document.is_object() && document.contains("evaluate") && document["evaluate"].is_object() &&
      document["evaluate"].value("tasks", Json()) == Json::array()) {
    document["evaluate"].erase("tasks");
  }
}

}  // namespace

JobSpec parse_job_spec(const std::string& json_text, const std::string& where) {
  return parse_job_spec(parse_json(json_text, where), where);
}

JobSpec parse_job_spec(const Json& json, const std::string& where) {
  Json document = json;
  drop_empty_tasks(document);
  const Json nothing = Json::object();
  JsonReader recipe(document, where);
  JobSpec spec;
  refuse_two_targets(recipe);
  for (const RecipeSection& section : recipe_sections()) {
    const bool is_top = section.name.empty();
    const bool is_there = is_top || recipe.has(section.name);
    JsonReader inner =
        is_there && !is_top ? recipe.required(section.name) : JsonReader(nothing, where, section.name);
    JsonReader& reader = is_top ? recipe : inner;
    read_keys(reader, section, spec);
    if (!is_top) {
      reader.refuse_unknown_keys();
    }
    if (is_there && section.check) {
      section.check(reader, spec);
    }
  }
  recipe.refuse_unknown_keys();
  return spec;
}

}  // namespace cce
