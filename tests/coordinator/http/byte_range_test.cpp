#include "coordinator/http/byte_range.h"

#include <gtest/gtest.h>

namespace cce {
namespace {

struct RangeRow {
  const char* name;
  const char* header;
  std::int64_t total;
  ByteRange::Kind kind;
  std::int64_t first, bytes;
};

class ByteRangeTest : public testing::TestWithParam<RangeRow> {};

TEST_P(ByteRangeTest, is_chosen_as_the_rfc_says) {
  const RangeRow& row = GetParam();
  const ByteRange range = choose_range(row.header, row.total);
  EXPECT_EQ(range.kind, row.kind);
  EXPECT_EQ(range.first, row.first);
  EXPECT_EQ(range.bytes, row.bytes);
}

constexpr auto whole = ByteRange::Kind::whole;
constexpr auto part = ByteRange::Kind::part;
constexpr auto unsatisfiable = ByteRange::Kind::unsatisfiable;

INSTANTIATE_TEST_SUITE_P(
    Rows, ByteRangeTest,
    testing::Values(RangeRow{"first_and_last", "bytes=0-499", 10000, part, 0, 500},
                    RangeRow{"one_byte", "bytes=9-9", 10, part, 9, 1},
                    RangeRow{"last_beyond_the_end", "bytes=5-99999", 10, part, 5, 5},
                    RangeRow{"open_end", "bytes=9500-", 10000, part, 9500, 500},
                    RangeRow{"suffix", "bytes=-500", 10000, part, 9500, 500},
                    RangeRow{"suffix_longer_than_all", "bytes=-500", 10, part, 0, 10},
                    RangeRow{"all_of_it", "bytes=0-", 10, part, 0, 10},
                    RangeRow{"beyond_the_end", "bytes=10-", 10, unsatisfiable, 0, 0},
                    RangeRow{"empty_suffix", "bytes=-0", 10, unsatisfiable, 0, 0},
                    RangeRow{"of_an_empty_file", "bytes=0-0", 0, unsatisfiable, 0, 0},
                    RangeRow{"suffix_of_an_empty_file", "bytes=-5", 0, unsatisfiable, 0, 0},
                    RangeRow{"several", "bytes=0-1,3-4", 10, whole, 0, 10},
                    RangeRow{"another_unit", "lines=0-1", 10, whole, 0, 10},
                    RangeRow{"backwards", "bytes=5-4", 10, whole, 0, 10},
                    RangeRow{"no_numbers", "bytes=-", 10, whole, 0, 10},
                    RangeRow{"no_dash", "bytes=5", 10, whole, 0, 10},
                    RangeRow{"a_sign", "bytes=+1-2", 10, whole, 0, 10},
                    RangeRow{"larger_than_any_number", "bytes=0-99999999999999999999", 10, whole, 0, 10},
                    RangeRow{"empty", "", 10, whole, 0, 10}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(ContentRangeTest, names_what_is_sent) {
  EXPECT_EQ(content_range({part, 0, 500}, 10000), "bytes 0-499/10000");
  EXPECT_EQ(content_range({unsatisfiable, 0, 0}, 10), "bytes */10");
}

}  // namespace
}  // namespace cce
