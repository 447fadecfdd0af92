#include "worker/text/text_windows.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/file.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

constexpr std::int64_t vocabulary = 70000;

class TextWindowsTest : public testing::Test {
 protected:
  // 0, 1, … as 16-bit ids.
  std::string write_count(std::int64_t tokens) const {
    std::string content;
    for (std::int64_t id = 0; id < tokens; ++id) {
      content.push_back(static_cast<char>(id & 0xFF));
      content.push_back(static_cast<char>(id >> 8));
    }
    std::ofstream(folder_ / "count.tokens.u16", std::ios::binary) << content;
    return (folder_ / "count.tokens.u16").string();
  }

  TextWindows select(std::int64_t first, std::optional<std::int64_t> last, WindowShape shape) const {
    const std::string path = (folder_ / "count.tokens.u16").string();
    TextSource source;
    source.path = path;
    source.first = first;
    source.last = last;
    return {TokenFile::open(files_, path), source, std::move(shape)};
  }
  TextWindows select(std::int64_t first, std::optional<std::int64_t> last, std::int64_t length) const {
    return select(first, last, {.length = length, .begin_ids = {}, .vocabulary_size = vocabulary});
  }

  TemporaryFolder folder_;
  PosixFileSystem files_;
};

std::vector<std::int32_t> counted(std::int32_t start, std::size_t count) {
  std::vector<std::int32_t> ids(count);
  std::iota(ids.begin(), ids.end(), start);
  return ids;
}

TEST_F(TextWindowsTest, selects_windows_as_python_does) {
  write_count(58);  // five windows of ten
  struct SelectionRow {
    std::int64_t first;
    std::optional<std::int64_t> last;
    std::vector<std::int32_t> starts;
  };
  const std::vector<SelectionRow> rows = {
      {0, {}, {0, 10, 20, 30, 40}}, {0, 2, {0, 10}}, {3, {}, {30, 40}}, {-2, {}, {30, 40}}, {-5, -3, {0, 10}},
      {1, -1, {10, 20, 30}},        {4, 5, {40}}};
  for (const SelectionRow& row : rows) {
    const TextWindows windows = select(row.first, row.last, 10);
    ASSERT_EQ(windows.count(), static_cast<std::int64_t>(row.starts.size()));
    for (std::int64_t i = 0; i < windows.count(); ++i) {
      EXPECT_EQ(windows.window(i), counted(row.starts[static_cast<std::size_t>(i)], 10));
    }
    EXPECT_THROW(windows.window(windows.count()), Error);
    EXPECT_THROW(windows.window(-1), Error);
  }
}

TEST_F(TextWindowsTest, begin_with_the_tokens_that_begin_a_text) {
  write_count(58);
  const TextWindows windows =
      select(-2, {}, {.length = 10, .begin_ids = {7, 9}, .vocabulary_size = vocabulary});
  ASSERT_EQ(windows.count(), 2);  // of seven with eight tokens of the text each
  std::vector<std::int32_t> expected = counted(38, 10);
  expected[0] = 7;
  expected[1] = 9;
  EXPECT_EQ(windows.window(0), expected);
  EXPECT_EQ(windows.window(1).back(), 55);
  EXPECT_EQ(error_of([&] {
              select(0, {}, {.length = 2, .begin_ids = {7, 9}, .vocabulary_size = vocabulary});
            }).code,
            ErrorCode::out_of_range);
}

TEST_F(TextWindowsTest, says_how_many_tokens_are_missing) {
  write_count(58);
  struct Row {
    std::int64_t length, first;
    std::optional<std::int64_t> last;
    const char* needed;
  };
  const std::vector<Row> rows = {{59, 0, {}, "59"}, {10, 0, 6, "60"},  {10, -6, {}, "60"},
                                 {10, 0, -7, "80"}, {10, 0, -5, "60"}, {1024, 0, 32, "32768"},
                                 {10, 2, -4, "70"}};
  for (const Row& row : rows) {
    const Error error = error_of([&] { select(row.first, row.last, row.length); });
    EXPECT_EQ(error.code, ErrorCode::text_too_short) << describe(error);
    EXPECT_EQ(error.found, "58 tokens");
    EXPECT_NE(error.expected.find(row.needed), std::string::npos) << error.expected;
  }
}

TEST_F(TextWindowsTest, refuses_empty_selections_and_lengths) {
  write_count(58);
  for (const auto& [first, last] :
       {std::pair<std::int64_t, std::int64_t>{2, 2}, {3, 1}, {-1, -1}, {-3, -4}, {-2, 1}}) {
    const Error error = error_of([&, begin = first, end = last] { select(begin, end, 10); });
    EXPECT_EQ(error.code, ErrorCode::out_of_range) << describe(error);
  }
  EXPECT_EQ(error_of([&] { select(0, {}, 0); }).code, ErrorCode::out_of_range);
}

TEST_F(TextWindowsTest, refuses_ids_that_the_model_lacks) {
  write_count(58);
  const TextWindows windows = select(0, {}, {.length = 10, .begin_ids = {}, .vocabulary_size = 43});
  EXPECT_EQ(windows.window(3), counted(30, 10));
  const Error error = error_of([&] { windows.window(4); });
  EXPECT_EQ(error.code, ErrorCode::out_of_range);
  EXPECT_NE(error.where.find("token 43"), std::string::npos) << error.where;
}

}  // namespace
}  // namespace cce
