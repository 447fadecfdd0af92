#include "common/base/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/base/json_reader.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

TEST(JsonWriterTest, keeps_order_and_puts_plain_lists_on_one_line) {
  const OrderedJson document = {
      {"z", 1}, {"a", {1, 2.5, "x"}}, {"inner", {{"e", OrderedJson::array()}, {"list", {{1, 2}, {3}}}}}};
  EXPECT_EQ(pretty_json(document),
            "{\n  \"z\": 1,\n  \"a\": [1, 2.5, \"x\"],\n  \"inner\": {\n    \"e\": [],\n    \"list\": [\n"
            "      [1, 2],\n      [3]\n    ]\n  }\n}\n");
  EXPECT_EQ(compact_json(document), R"({"z":1,"a":[1,2.5,"x"],"inner":{"e":[],"list":[[1,2],[3]]}})");
}

TEST(JsonWriterTest, pretty_text_reads_back_equal) {
  const OrderedJson document = {{"quote\"\n", "täxt\t"}, {"numbers", {0.1, 1e-5, -3, 1e300}}};
  EXPECT_EQ(parse_json(pretty_json(document), "text"), Json::parse(document.dump()));
}

TEST(JsonWriterTest, refuses_what_json_cannot_hold) {
  const OrderedJson document = {{"a", {1.0, std::nan("")}}};
  expect_error([&] { pretty_json(document); }, ErrorCode::invalid_argument, "a[1]");
  expect_error([&] { compact_json(document); }, ErrorCode::invalid_argument, "a[1]");
}

}  // namespace
}  // namespace cce
