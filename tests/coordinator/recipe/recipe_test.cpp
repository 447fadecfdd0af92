#include "coordinator/recipe/recipe.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

struct ScalarRow {
  const char* name;
  const char* yaml;
  Json value;
};

class Scalars : public ::testing::TestWithParam<ScalarRow> {};

TEST_P(Scalars, take_the_types_of_the_core_schema) {
  EXPECT_EQ(parse_yaml(GetParam().yaml, "r.yaml"), GetParam().value);
}

const ScalarRow scalar_rows[] = {
    {"integer", "a: 64", {{"a", 64}}},
    {"negative", "a: -3", {{"a", -3}}},
    {"hexadecimal", "a: 0x10", {{"a", 16}}},
    {"octal", "a: 0o17", {{"a", 15}}},
    {"leading_zero_is_decimal", "a: 010", {{"a", 10}}},
    {"decimal", "a: 0.30", {{"a", 0.3}}},
    {"exponent_without_point", "a: 2e-4", {{"a", 2e-4}}},
    {"truth", "a: true", {{"a", true}}},
    {"yes_is_text", "a: yes", {{"a", "yes"}}},
    {"null", "a: null", {{"a", nullptr}}},
    {"tilde", "a: ~", {{"a", nullptr}}},
    {"nothing", "a:", {{"a", nullptr}}},
    {"quoted_number_is_text", "a: \"64\"", {{"a", "64"}}},
    {"windows_are_text", "a: 0:32", {{"a", "0:32"}}},
    {"quoted_windows", "a: '-48:'", {{"a", "-48:"}}},
    {"duration_is_text", "a: 2h", {{"a", "2h"}}},
    {"infinity_is_text", "a: .inf", {{"a", ".inf"}}},
    {"huge_integer_is_text", "a: 99999999999999999999", {{"a", "99999999999999999999"}}},
    {"string_tag", "a: !!str 64", {{"a", "64"}}},
    {"flow", "a: {b: [1, x, {c: 2}]}", {{"a", {{"b", {1, "x", {{"c", 2}}}}}}}},
    {"empty", "", nullptr},
    {"comment_only", "# nothing\n", nullptr},
};
INSTANTIATE_TEST_SUITE_P(Recipe, Scalars, ::testing::ValuesIn(scalar_rows),
                         [](const auto& row) { return std::string(row.param.name); });

struct RefusalRow {
  const char* name;
  std::string yaml;
  ErrorCode code;
  const char* part;
};

class Refusals : public ::testing::TestWithParam<RefusalRow> {};

TEST_P(Refusals, say_where_and_what) {
  expect_error([&] { parse_yaml(GetParam().yaml, "r.yaml"); }, GetParam().code, GetParam().part);
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

const RefusalRow refusal_rows[] = {
    {"duplicate_key", "a: 1\nb: 2\na: 3\n", ErrorCode::malformed_file, "line 3"},
    {"nested_duplicate_key", "x: {k: 1, k: 2}", ErrorCode::malformed_file, "the key 'k' a second time"},
    {"nested_path", "x:\n  y: [1, {k: 1, k: 2}]", ErrorCode::malformed_file, "x.y[1]"},
    {"anchor", "a: &x 1", ErrorCode::unsupported, "anchor"},
    {"alias", "a: &x {b: 1}\nc: *x", ErrorCode::unsupported, "anchor"},
    {"number_as_key", "1: x", ErrorCode::malformed_file, "the key 1"},
    {"list_as_key", "? [a]\n: x", ErrorCode::malformed_file, "as a key"},
    {"unknown_tag", "a: !python/object x", ErrorCode::unsupported, "tag"},
    {"two_documents", "a: 1\n---\nb: 2\n", ErrorCode::malformed_file, "second document"},
    {"syntax", "a: [1, 2", ErrorCode::malformed_file, "r.yaml line"},
    {"tab", "a:\n\tb: 1", ErrorCode::malformed_file, "r.yaml line"},
    {"too_deep", nested(40), ErrorCode::malformed_file, "32 levels"},
    {"far_too_deep", nested(20000), ErrorCode::malformed_file, "r.yaml"},
    {"too_long", "a: " + std::string(2 << 20, 'x'), ErrorCode::malformed_file, "1 MiB"},
};
INSTANTIATE_TEST_SUITE_P(Recipe, Refusals, ::testing::ValuesIn(refusal_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(RecipeFile, anchors_its_paths_at_its_own_folder) {
  const TemporaryFolder folder;
  std::ofstream(folder / "r.yaml") << "model: ./m\noutput: /abs/out\n"
                                      "calibration: {text: [{path: a.txt, windows: '0:3'}, ../b.txt]}\n"
                                      "evaluate: {text: c.txt}\nresources: {container: images/cce.sif}\n"
                                      "finetune: {validation: [v.txt], teacher: t}\n";
  const Json recipe = read_recipe(folder / "r.yaml");
  const std::string base = folder.path().string();
  EXPECT_EQ(recipe["model"], base + "/m");
  EXPECT_EQ(recipe["output"], "/abs/out");
  EXPECT_EQ(recipe["calibration"]["text"][0]["path"], base + "/a.txt");
  EXPECT_EQ(recipe["calibration"]["text"][0]["windows"], "0:3");
  EXPECT_EQ(recipe["calibration"]["text"][1], folder.path().parent_path().string() + "/b.txt");
  EXPECT_EQ(recipe["evaluate"]["text"], base + "/c.txt");
  EXPECT_EQ(recipe["resources"]["container"], base + "/images/cce.sif");
  EXPECT_EQ(recipe["finetune"]["validation"][0], base + "/v.txt");
  EXPECT_EQ(recipe["finetune"]["teacher"], base + "/t");
}

TEST(RecipeFile, refuses_what_is_not_a_recipe) {
  const TemporaryFolder folder;
  expect_error([&] { read_recipe(folder / "none.yaml"); }, ErrorCode::missing_file, "none.yaml");
  expect_error([&] { read_recipe(folder.path()); }, ErrorCode::missing_file, folder.path().string());
  std::ofstream(folder / "list.yaml") << "- a\n- b\n";
  expect_error([&] { read_recipe(folder / "list.yaml"); }, ErrorCode::wrong_type, "array");
}

TEST(Setting, lands_on_its_key) {
  Json recipe{{"calibration", {{"text", {"/a.txt", {{"path", "/b.txt"}}}}}}};
  apply_setting(recipe, "encode.refine_steps=20", "/here");
  apply_setting(recipe, "structures=[ffn, vo]", "/here");
  apply_setting(recipe, "calibration.text.1.windows=0:4", "/here");
  apply_setting(recipe, "calibration.text.0=x.txt", "/here");
  apply_setting(recipe, "evaluate.text=[t.txt]", "/here");
  apply_setting(recipe, "model=m", "/here");
  apply_setting(recipe, "calibration.text.1.path=y.txt", "/here");
  apply_setting(recipe, "resources={container: c.sif, modules: [gcc]}", "/here");
  EXPECT_EQ(recipe["encode"]["refine_steps"], 20);
  EXPECT_EQ(recipe["structures"], (Json{"ffn", "vo"}));
  EXPECT_EQ(recipe["calibration"]["text"][1]["windows"], "0:4");
  EXPECT_EQ(recipe["calibration"]["text"][0], "/here/x.txt");
  EXPECT_EQ(recipe["evaluate"]["text"][0], "/here/t.txt");
  EXPECT_EQ(recipe["model"], "/here/m");
  EXPECT_EQ(recipe["calibration"]["text"][1]["path"], "/here/y.txt");
  EXPECT_EQ(recipe["resources"], (Json{{"container", "/here/c.sif"}, {"modules", {"gcc"}}}));
}

TEST(Setting, leaves_one_target) {
  Json recipe{{"target", {{"remove_params", 0.3}}}};
  apply_setting(recipe, "target.remove_flops=0.2", "/");
  EXPECT_EQ(recipe["target"], (Json{{"remove_flops", 0.2}}));
  apply_setting(recipe, "threshold.epsilon=0.1", "/");
  EXPECT_FALSE(recipe.contains("target"));
  apply_setting(recipe, "target.remove_params=0.4", "/");
  EXPECT_FALSE(recipe.contains("threshold"));
}

TEST(Setting, refuses_what_has_no_place) {
  Json recipe{{"seed", 1}, {"list", {1, 2}}};
  for (const char* setting : {"seed", "=3", ".a=1", "a.=1", "a..b=1"}) {
    expect_error([&] { apply_setting(recipe, setting, "/"); }, ErrorCode::out_of_range, "KEY.PATH=VALUE");
  }
  expect_error([&] { apply_setting(recipe, "seed.x=1", "/"); }, ErrorCode::wrong_type, "seed.x");
  expect_error([&] { apply_setting(recipe, "list.7=1", "/"); }, ErrorCode::out_of_range, "below 2");
  expect_error([&] { apply_setting(recipe, "a=[1", "/"); }, ErrorCode::malformed_file, "--set a");
}

TEST(ResolvedRecipe, resolves_to_the_same_job) {
  const std::string given = R"({"model": "/models/a: b", "output": "/out", "seed": 7,
      "calibration": {"text": [{"path": "/t/64", "name": "64", "windows": "0:32"}, "/t/true"], "length": 512},
      "structures": ["ffn", "vo"], "export": {"format": "custom"}, "evaluate": {"text": [{"path": "/t/1e3", "windows": "-48:"}]},
      "resources": {"ranks": 3, "threads": 2, "memory": "8GiB"}})";
  const JobSpec spec = parse_job_spec(given, "given");
  const Json again = parse_yaml(recipe_yaml(spec), "again");
  EXPECT_EQ(to_json(parse_job_spec(recipe_text(again), "again")), to_json(spec));
}

TEST(RecipeText, refuses_bytes_that_are_not_utf8) {
  expect_error([] { recipe_text(Json{{"model", "\xff\xfe"}}); }, ErrorCode::malformed_file, "UTF-8");
}

}  // namespace
}  // namespace cce
