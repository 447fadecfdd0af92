// openapi.json describes what is served: the same routes, queries, members and recipe keys as the program
// has.
#include "coordinator/api/openapi.h"

#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "common/base/json_reader.h"
#include "common/model/formats/format.h"
#include "common/recipe/job_spec.h"
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

TEST(OpenApiTest, has_every_key_of_a_recipe) {
  JobSpec spec;
  spec.model = "m";
  const Json resolved = parse_json(to_json(spec), "spec");
  const Json recipe = document()["components"]["schemas"]["Recipe"]["properties"];
  // The service fills these in; a request cannot choose them.
  const Names own{"stages", "model_digest"};
  for (const auto& [key, value] : resolved.items()) {
    if (own.contains(key)) {
      continue;
    }
    ASSERT_TRUE(recipe.contains(key)) << key;
    if (value.is_object() && key != "target") {
      Names wanted = keys_of(value);
      wanted.erase("teacher_digest");
      EXPECT_EQ(keys_of(recipe[key]["properties"]), wanted) << key;
    }
  }
}

TEST(OpenApiTest, offers_the_formats_that_a_job_accepts_and_no_key_that_a_run_fills_in) {
  const Json recipe = document()["components"]["schemas"]["Recipe"]["properties"];
  const Json formats = recipe["export"]["properties"]["format"]["enum"];
  Json expected = Json::array();
  for (const ExportFormat format : export_formats()) {
    expected.push_back(format_name(format));
  }
  expected.push_back(nullptr);
  EXPECT_EQ(formats, expected);
  EXPECT_FALSE(recipe["finetune"]["properties"].contains("teacher_digest"));
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
  EXPECT_GT(references, 100);
}

}  // namespace
}  // namespace cce
