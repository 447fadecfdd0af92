// What is served describes itself: the same routes, queries, members and recipe keys as the program has.
#include "coordinator/api/openapi.h"

#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "common/base/json_reader.h"
#include "common/recipe/recipe_keys.h"
#include "coordinator/api/api.h"
#include "coordinator/api/api_json.h"

namespace cce {
namespace {

using Names = std::set<std::string>;

Json document() {
  return parse_json(openapi_document(), "openapi.json");
}

Names keys_of(const Json& object) {
  Names names;
  for (const auto& [name, value] : object.items()) {
    names.insert(name);
  }
  return names;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& character : lower) {
    character = static_cast<char>(std::tolower(static_cast<unsigned char>(character)));
  }
  return lower;
}

/// "{path...}" is how the table says that slashes belong to it; OpenAPI has no word for that.
std::string path_of(const ApiRoute& route) {
  std::string path(route.pattern);
  if (const std::size_t dots = path.find("..."); dots != std::string::npos) {
    path.erase(dots, 3);
  }
  return path;
}

TEST(OpenApiTest, has_the_routes_of_the_table_and_no_others) {
  Names served, described;
  for (const ApiRoute& route : Api::routes()) {
    served.insert(lower_case(route.method) + " " + path_of(route));
  }
  const Json paths = document()["paths"];
  for (const auto& [path, operations] : paths.items()) {
    for (const auto& [method, operation] : operations.items()) {
      described.insert(method + " " + path);
    }
  }
  EXPECT_EQ(described, served);
}

TEST(OpenApiTest, has_every_routes_queries_and_says_which_are_public) {
  const Json paths = document()["paths"];
  for (const ApiRoute& route : Api::routes()) {
    const Json& operation = paths[path_of(route)][lower_case(route.method)];
    Names queries;
    for (const Json& parameter : operation.value("parameters", Json::array())) {
      if (parameter["in"] == "query") {
        queries.insert(parameter["name"]);
      }
    }
    EXPECT_EQ(queries, Names(route.queries.begin(), route.queries.end())) << route.pattern;
    EXPECT_EQ(operation["security"].empty(), route.is_public) << route.pattern;
    EXPECT_EQ(operation["responses"].contains("401"), !route.is_public) << route.pattern;
    EXPECT_EQ(operation.contains("requestBody"), route.method == "POST") << route.pattern;
  }
}

TEST(OpenApiTest, has_the_members_of_a_job) {
  const Json schema = document()["components"]["schemas"]["Job"];
  JobView view;
  view.id = "a";
  const Json job = parse_json(job_text(view), "job");
  EXPECT_EQ(keys_of(schema["properties"]), keys_of(job));
  for (const char* member : {"progress", "times", "links"}) {
    EXPECT_EQ(keys_of(schema["properties"][member]["properties"]), keys_of(job[member])) << member;
  }
}

TEST(OpenApiTest, has_every_state) {
  Names names;
  for (const JobState state : all_job_states) {
    names.emplace(state_name(state));
  }
  const Json described = document()["components"]["schemas"]["JobState"]["enum"];
  EXPECT_EQ(Names(described.begin(), described.end()), names);
}

TEST(OpenApiTest, has_every_key_that_a_user_may_set_and_no_other) {
  const Json schemas = document()["components"]["schemas"];
  Names offered, wanted;
  for (const auto& [name, schema] : schemas["Recipe"]["properties"].items()) {
    if (!schema.contains("properties")) {
      offered.insert(name);
      continue;
    }
    EXPECT_EQ(schema["additionalProperties"], false) << name;
    for (const std::string& inner : keys_of(schema["properties"])) {
      offered.insert(name + "." + inner);
    }
  }
  for (const RecipeKey* key : recipe_keys()) {
    if (key->filled_by == FilledBy::user) {
      wanted.insert(key->key_path());
    }
  }
  EXPECT_EQ(offered, wanted);
  EXPECT_EQ(schemas["Recipe"]["required"], Json{"model"});
}

struct SchemaRow {
  const char* pointer;
  const char* schema;
};

/// Written by hand: what the table's types become.
TEST(OpenApiTest, says_what_may_stand_at_a_key) {
  const SchemaRow rows[] = {
      {"/model", R"({"type": "string", "minLength": 1})"},
      {"/seed", R"({"type": ["integer", "null"], "minimum": 0, "maximum": 9223372036854775807})"},
      {"/structures", R"({"anyOf": [{"type": "null"}, {"const": "auto"},
          {"type": "array", "minItems": 1, "uniqueItems": true,
           "items": {"enum": ["ffn", "vo", "qk", "kv_groups", "blocks", "layers"]}}]})"},
      {"/calibration/properties/text",
       R"({"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/TextSource"},
          {"type": "array", "items": {"$ref": "#/components/schemas/TextSource"}}]})"},
      {"/target/properties/remove_params",
       R"({"type": ["number", "null"], "exclusiveMinimum": 0.0, "maximum": 0.99})"},
      {"/target/properties/fit_bytes", R"({"type": ["integer", "string", "null"]})"},
      {"/export/properties/format", R"({"enum": ["uniform", "custom", "gguf", null]})"},
      {"/encode/properties/token_weights", R"({"type": ["boolean", "null"]})"},
      {"/encode/properties/ridge_lambda", R"({"anyOf": [{"type": "null"}, {"const": "auto"},
          {"type": "number", "exclusiveMinimum": 0.0, "maximum": 1000.0}]})"},
      {"/resources/properties/memory",
       R"({"anyOf": [{"type": "null"}, {"const": "auto"}, {"type": ["integer", "string"]}]})"},
      {"/resources/properties/modules", R"({"type": ["array", "null"], "items": {"type": "string"}})"},
      {"/resources/properties/partition", R"({"type": ["string", "null"], "minLength": 1})"},
  };
  const Json properties = document()["components"]["schemas"]["Recipe"]["properties"];
  for (const SchemaRow& row : rows) {
    Json found = properties.at(Json::json_pointer(row.pointer));
    EXPECT_FALSE(found["description"].get<std::string>().empty()) << row.pointer;
    found.erase("description");
    EXPECT_EQ(found, Json::parse(row.schema)) << row.pointer;
  }
}

TEST(OpenApiTest, every_reference_leads_somewhere) {
  const Json whole = document();
  int references = 0;
  const std::function<void(const Json&)> walk = [&](const Json& value) {
    if (value.is_object() && value.contains("$ref")) {
      const std::string reference = value["$ref"];
      EXPECT_TRUE(whole.contains(Json::json_pointer(reference.substr(1)))) << reference;
      ++references;
    }
    if (value.is_structured()) {
      for (const Json& inner : value) {
        walk(inner);
      }
    }
  };
  walk(whole);
  EXPECT_GT(references, 90);
}

}  // namespace
}  // namespace cce
