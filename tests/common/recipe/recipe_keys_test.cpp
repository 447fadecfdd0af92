#include "common/recipe/recipe_keys.h"

#include <gmock/gmock.h>

#include <set>

#include "tests/common/error_matcher.h"

namespace cce {
namespace {

using ::testing::Contains;
using ::testing::Not;

std::set<std::string> names_of(const std::vector<const RecipeKey*>& keys) {
  std::set<std::string> names;
  for (const RecipeKey* key : keys) {
    names.insert(key->key_path());
  }
  return names;
}

TEST(RecipeKeys, say_what_they_are) {
  const std::vector<const RecipeKey*> keys = recipe_keys();
  EXPECT_EQ(names_of(keys).size(), keys.size()) << "a key twice";
  for (const RecipeKey* key : keys) {
    EXPECT_FALSE(key->sentence.empty()) << key->key_path();
    EXPECT_FALSE(key->values.empty()) << key->key_path();
    EXPECT_EQ(key->values.find('|'), std::string::npos) << "it is a cell of a table: " << key->key_path();
    EXPECT_FALSE(key->schema.is_null()) << key->key_path();
  }
}

/// A value that a key's schema allows, other than its default.
Json value_for(const RecipeKey& key, const OrderedJson& schema) {
  if (key.name == "time_limit") {
    return "3d";
  }
  if (schema.contains("anyOf")) {
    return value_for(key, schema["anyOf"].back());
  }
  if (schema.contains("enum")) {
    const bool last_is_default = schema["enum"].back() == key.print(JobSpec()).value();
    return last_is_default ? schema["enum"].front() : schema["enum"].back();
  }
  const OrderedJson& type = schema["type"].is_array() ? schema["type"].front() : schema["type"];
  if (type == "integer") {
    return 5;
  }
  if (type == "number") {
    return 0.625;
  }
  if (type == "boolean") {
    return key.print(JobSpec()).value() == OrderedJson(false);
  }
  if (type == "array" && key.path == KeyPath::texts) {
    return Json::array({{{"path", "/t/a.txt"}, {"name", "b"}, {"windows", "-4:-2"}}});
  }
  return type == "array" ? Json::array({value_for(key, schema["items"])}) : Json("words");
}

/// What a recipe says is what spec.json hands to the worker, for every key.
TEST(RecipeKeys, carry_their_values_through_spec_json) {
  for (const RecipeKey* key : recipe_keys()) {
    if (key->name == "kind" || key->name == "stages") {
      continue;  // read together: job_spec_test
    }
    SCOPED_TRACE(key->key_path());
    const Json value = value_for(*key, key->schema);
    Json recipe{{"model", "m"}};
    (key->section.empty() ? recipe : recipe[key->section])[key->name] = value;
    const std::string text = to_json(parse_job_spec(recipe.dump(), "recipe"));
    const Json written = Json::parse(text);
    EXPECT_EQ((key->section.empty() ? written : written[key->section])[key->name], value);
    EXPECT_NE(text, to_json(parse_job_spec(std::string(R"({"model": "n"})"), "recipe")));
    EXPECT_EQ(to_json(parse_job_spec(text, "spec.json")), text);
  }
}

TEST(RecipeKeys, that_decide_a_stage) {
  EXPECT_THAT(
      names_of(decides(Stage::calibrate)),
      ::testing::UnorderedElementsAre("seed", "calibration.text", "calibration.length", "calibration.bos",
                                      "calibration.sequences", "calibration.gradient_sequences"));
  EXPECT_THAT(names_of(decides(Stage::finetune)), Contains("finetune.weight_decay"));
  for (const char* key : {"target.remove_params", "threshold.tau", "export.format", "evaluate.text"}) {
    EXPECT_THAT(names_of(decides(Stage::analyze)), Not(Contains(key))) << key;
  }
  for (const RecipeKey* key : recipe_keys()) {
    if (key->section == "resources" || key->name == "output" || key->name == "kind") {
      EXPECT_TRUE(key->decides.empty()) << key->key_path();
    }
  }
}

TEST(RecipeKeys, visit_paths_says_where_each_is) {
  Json recipe = Json::parse(R"({"model": "m", "output": 3, "seed": 1, "finetune": {"teacher": ""},
      "calibration": {"text": ["a", {"path": "b", "windows": "0:2"}, ["c"], 5, {"name": "x"}]},
      "evaluate": "no section"})");
  std::vector<std::string> found;
  visit_paths(recipe, [&](std::string& path, KeyPath, const std::string& where) {
    found.push_back(where + "=" + path);
    path = "/" + path;
  });
  EXPECT_THAT(found, ::testing::ElementsAre("model=m", "calibration.text[0]=a", "calibration.text[1].path=b",
                                            "calibration.text[2][0]=c"));
  EXPECT_EQ(recipe["calibration"]["text"][1]["path"], "/b");
}

}  // namespace
}  // namespace cce
