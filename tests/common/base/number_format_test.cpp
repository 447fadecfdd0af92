#include "common/base/number_format.h"

#include <gtest/gtest.h>

#include "tests/common/error_matcher.h"

namespace cce {
namespace {

TEST(NumberFormatTest, shortest_decimal_that_reads_back) {
  EXPECT_EQ(format_number(0.1), "0.1");
  EXPECT_EQ(format_number(1e-5), "1e-05");
  EXPECT_EQ(format_number(3.0), "3");
  EXPECT_EQ(format_fixed(1.23456, 2), "1.23");
  EXPECT_EQ(format_fixed(-0.5, 0), "-0");
}

struct BytesRow {
  const char* text;
  std::int64_t bytes;
};

TEST(NumberFormatTest, reads_bytes) {
  const BytesRow rows[] = {{"1", 1},
                           {"1536", 1536},
                           {"1.5 KiB", 1536},
                           {"2GiB", 1LL << 31},
                           {"500MB", 500000000},
                           {"0.5 TiB", 1LL << 39}};
  for (const BytesRow& row : rows) {
    EXPECT_EQ(parse_bytes(row.text, "memory"), row.bytes) << row.text;
  }
  for (const char* text : {"", "GiB", "1 XB", "1e40", "-4", "0", "nan", "4 GiB x"}) {
    EXPECT_THROW(parse_bytes(text, "memory"), Error) << text;
  }
}

TEST(NumberFormatTest, prints_bytes) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(1LL << 31), "2.0 GiB");
}

TEST(NumberFormatTest, reads_durations) {
  EXPECT_EQ(parse_duration_seconds("90s", "x"), 90);
  EXPECT_EQ(parse_duration_seconds("1.5h", "x"), 5400);
  EXPECT_EQ(parse_duration_seconds("2d", "x"), 172800);
  for (const char* text : {"", "2", "h", "0s", "-1h", "2 weeks"}) {
    expect_error([&] { parse_duration_seconds(text, "resources.time_limit"); }, ErrorCode::wrong_type,
                 "resources.time_limit");
  }
}

}  // namespace
}  // namespace cce
