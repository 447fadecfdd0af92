#include "common/base/json_reader.h"

#include <gtest/gtest.h>

#include "tests/common/error_matcher.h"

namespace cce {
namespace {

struct RefusedRow {
  const char* name;
  std::string text;
  const char* message;  // a part of the error
};

TEST(JsonReaderTest, documents_that_are_refused) {
  const RefusedRow rows[] = {
      {"empty", "", "an empty document"},
      {"truncated", "{\"a\": 1,\n \"b\": ", "line 2"},
      {"trailing", "{} {}", "not JSON"},
      {"comment", "{} // x", "not JSON"},
      {"nan", "{\"a\": NaN}", "not JSON"},
      {"too_large", "{\"a\": 1e999}", "64-bit float"},
      {"bad_utf8", "{\"a\": \"\xff\"}", "not JSON"},
      {"trailing_comma", "[1,]", "not JSON"},
      {"duplicate", R"({"a": 1, "a": 2})", "file: a: found the key 'a' twice"},
      {"inner_duplicate", R"({"x": [{"k": 1}, {"k": 1, "k": 2}]})", "file: x[1].k"},
      {"deep_lists", std::string(100000, '['), "nested deeper"},
  };
  for (const RefusedRow& row : rows) {
    SCOPED_TRACE(row.name);
    expect_error([&] { parse_json(row.text, "file"); }, ErrorCode::malformed_file, row.message);
  }
}

TEST(JsonReaderTest, depth_is_counted_in_levels) {
  EXPECT_NO_THROW(parse_json("[[[1]]]", "file", 3));
  expect_error([] { parse_json("[[[[1]]]]", "file", 3); }, ErrorCode::malformed_file, "3 levels");
}

TEST(JsonReaderTest, equals_the_plain_parser_on_valid_text) {
  const char* text =
      R"({"a": [1, -2, 3.5, true, null, "x"], "b": {"c": {}, "d": []}, "e": 18446744073709551615})";
  EXPECT_EQ(parse_json(text, "file"), Json::parse(text));
}

struct ValueRow {
  const char* name;
  const char* text;  // of the member "v"
  std::function<void(JsonReader)> read;
  ErrorCode code;
  const char* message;
};

TEST(JsonReaderTest, values_that_are_refused) {
  const ValueRow rows[] = {
      {"text_for_integer", R"("7")", [](JsonReader r) { r.integer(); }, ErrorCode::wrong_type,
       "file: v: found \"7\", expected a whole number"},
      {"fraction_for_integer", "7.0", [](JsonReader r) { r.integer(); }, ErrorCode::wrong_type, "7.0"},
      {"beyond_int64", "9223372036854775808", [](JsonReader r) { r.integer(); }, ErrorCode::out_of_range,
       "9223"},
      {"below", "0", [](JsonReader r) { r.integer({.lowest = 1, .highest = 9}); }, ErrorCode::out_of_range,
       "between 1 and 9"},
      {"above", "10", [](JsonReader r) { r.integer({.lowest = 1, .highest = 9}); }, ErrorCode::out_of_range,
       "between 1 and 9"},
      {"at_open_bound", "0",
       [](JsonReader r) { r.number({.lowest = 0.0, .highest = 1.0, .above_lowest = true}); },
       ErrorCode::out_of_range, "above 0 and at most 1"},
      {"object_for_list", "{}", [](JsonReader r) { r.items(); }, ErrorCode::wrong_type, "an object"},
      {"list_for_object", "[1]", [](JsonReader r) { r.required("a"); }, ErrorCode::wrong_type, "a list of 1"},
      {"number_for_boolean", "1", [](JsonReader r) { r.boolean(); }, ErrorCode::wrong_type, "true or false"},
      {"item", R"([1, "a"])", [](JsonReader r) { r.integers(); }, ErrorCode::wrong_type, "file: v[1]"},
      {"missing", R"({"pth": 1})", [](JsonReader r) { r.required("path"); }, ErrorCode::wrong_type,
       "file: v.path: found nothing"},
      {"missing_names_the_nearest", R"({"pth": 1})", [](JsonReader r) { r.required("path"); },
       ErrorCode::wrong_type, "Did you mean 'pth'?"},
      {"unknown", R"({"sead": 1})",
       [](JsonReader r) {
         r.integer_or("seed", 0);
         r.refuse_unknown_keys();
       },
       ErrorCode::unknown_key,
       "file: v.sead: found the key 'sead', expected one of seed. Did you mean 'seed'?"},
      {"choice", R"("unifrom")",
       [](JsonReader r) {
         r.choice<int>({{"uniform", 1}, {"custom", 2}});
       },
       ErrorCode::out_of_range, "expected one of uniform, custom. Did you mean 'uniform'?"},
  };
  for (const ValueRow& row : rows) {
    SCOPED_TRACE(row.name);
    const Json document = parse_json("{\"v\": " + std::string(row.text) + "}", "file");
    expect_error([&] { row.read(JsonReader(document, "file").required("v")); }, row.code, row.message);
  }
}

TEST(JsonReaderTest, null_counts_as_absent) {
  const Json document = parse_json(R"({"a": null})", "file");
  JsonReader reader(document, "file");
  EXPECT_FALSE(reader.has("a"));
  EXPECT_EQ(reader.integer_or("a", 5), 5);
  EXPECT_NO_THROW(reader.refuse_unknown_keys());
}

TEST(JsonReaderTest, paths_join_objects_and_lists) {
  const Json document = parse_json(R"({"calibration": {"text": [{"path": 3}]}})", "recipe.yaml");
  JsonReader text = JsonReader(document, "recipe.yaml").required("calibration").required("text");
  expect_error([&] { text.items().front().required("path").text(); }, ErrorCode::wrong_type,
               "recipe.yaml: calibration.text[0].path: found 3, expected a text");
}

}  // namespace
}  // namespace cce
