#include "coordinator/api/openapi.h"

#include "common/recipe/recipe_keys.h"

namespace cce {
namespace {

/// The schema with null beside what it allows.
OrderedJson or_null(OrderedJson schema) {
  if (schema.contains("enum")) {
    schema["enum"].push_back(nullptr);
  } else if (schema.contains("anyOf")) {
    schema["anyOf"].insert(schema["anyOf"].begin(), OrderedJson{{"type", "null"}});
  } else {
    OrderedJson types = schema["type"];
    if (!types.is_array()) {
      types = OrderedJson::array({types});
    }
    types.push_back("null");
    schema["type"] = std::move(types);
  }
  return schema;
}

OrderedJson schema_of(const RecipeKey& key) {
  OrderedJson schema = key.required ? key.schema : or_null(key.schema);
  schema["description"] = key.sentence;
  return schema;
}

}  // namespace

OrderedJson recipe_schema() {
  OrderedJson properties = OrderedJson::object();
  OrderedJson required = OrderedJson::array();
  for (const RecipeSection& section : recipe_sections()) {
    OrderedJson members = OrderedJson::object();
    for (const RecipeKey& key : section.keys) {
      if (key.filled_by == FilledBy::run) {
        continue;
      }
      (section.name.empty() ? properties : members)[key.name] = schema_of(key);
      if (key.required && section.name.empty()) {
        required.push_back(key.name);
      }
    }
    if (!section.name.empty()) {
      properties[section.name] = {{"type", {"object", "null"}},
                                  {"description", section.sentence},
                                  {"properties", std::move(members)},
                                  {"additionalProperties", false}};
    }
  }
  return {{"type", "object"},
          {"description", "A recipe: docs/recipe.md. Paths lie below a root of the server."},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

std::string openapi_document() {
  OrderedJson document = OrderedJson::parse(openapi_template());
  document["components"]["schemas"]["Recipe"] = recipe_schema();
  return pretty_json(document);
}

}  // namespace cce
