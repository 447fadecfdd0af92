#include "worker/text/text_windows.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/file.h"
#include "worker/text/tokenizer.h"

namespace cce {
namespace {

constexpr std::int64_t vocabulary = 70000;

TextSource source(const std::string& path, std::int64_t first, std::optional<std::int64_t> last) {
  return {.path = path, .name = "", .first = first, .last = last};
}

class TextWindowsTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() / ("cce_text_windows_" + std::string(test->name()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return (folder_ / name).string();
  }

  // 0, 1, … as 16-bit ids.
  std::string write_count(int tokens) const {
    std::string content;
    for (int id = 0; id < tokens; ++id) {
      content.push_back(static_cast<char>(id & 0xFF));
      content.push_back(static_cast<char>(id >> 8));
    }
    return write("count.tokens.u16", content);
  }

  template <typename Call>
  Error error_of(Call call) const {
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "accepted";
    return {};
  }

  PosixFileSystem files_;
  std::filesystem::path folder_;
  Tokenizer tokenizer_ = Tokenizer::load(files_, std::string(CCE_TESTS_DIR) + "/data/tokenizers/gpt2.json");
};

struct SelectionRow {
  std::int64_t first;
  std::optional<std::int64_t> last;
  std::vector<std::int32_t> starts;  ///< first token of each window of 10 in 0 … 57
};

TEST_F(TextWindowsTest, line_ends_of_every_kind_read_alike) {
  const std::string unix_path = write("unix.txt", "one\ntwo\n\nthree\n");
  const std::string mixed_path = write("mixed.txt", "one\r\ntwo\r\rthree\r\n");
  EXPECT_EQ(read_tokens(files_, mixed_path, &tokenizer_, vocabulary),
            read_tokens(files_, unix_path, &tokenizer_, vocabulary));
}

TEST_F(TextWindowsTest, selects_as_python_slices) {
  const std::string path = write_count(58);
  const std::vector<SelectionRow> rows = {
      {0, {}, {0, 10, 20, 30, 40}}, {0, 2, {0, 10}}, {3, {}, {30, 40}}, {-2, {}, {30, 40}}, {-5, -3, {0, 10}},
      {1, -1, {10, 20, 30}},        {4, 5, {40}}};
  for (const SelectionRow& row : rows) {
    const TextWindows windows =
        read_text_windows(files_, source(path, row.first, row.last), 10, nullptr, vocabulary);
    ASSERT_EQ(windows.count(), static_cast<std::int64_t>(row.starts.size()));
    for (std::int64_t i = 0; i < windows.count(); ++i) {
      std::vector<std::int32_t> expected(10);
      std::iota(expected.begin(), expected.end(), row.starts[static_cast<std::size_t>(i)]);
      const auto window = windows.window(i);
      EXPECT_EQ(std::vector<std::int32_t>(window.begin(), window.end()), expected);
    }
    EXPECT_THROW(windows.window(windows.count()), Error);
    EXPECT_THROW(windows.window(-1), Error);
  }
}

TEST_F(TextWindowsTest, says_how_many_tokens_are_missing) {
  const std::string path = write_count(58);
  struct Row {
    std::int64_t length, first;
    std::optional<std::int64_t> last;
    const char* needed;
  };
  const std::vector<Row> rows = {{59, 0, {}, "59"},     {10, 0, 6, "60"},  {10, -6, {}, "60"},
                                 {10, 0, -7, "80"},     {10, 0, -5, "60"}, {10, 2, -4, "70"},
                                 {1024, 0, 32, "32768"}};
  for (const Row& row : rows) {
    const Error error = error_of([&] {
      read_text_windows(files_, source(path, row.first, row.last), row.length, nullptr, vocabulary);
    });
    EXPECT_EQ(error.code, ErrorCode::text_too_short) << describe(error);
    EXPECT_EQ(error.found, "58 tokens");
    EXPECT_NE(error.expected.find(row.needed), std::string::npos) << error.expected;
  }
}

TEST_F(TextWindowsTest, refuses_empty_selections_and_lengths) {
  const std::string path = write_count(58);
  for (const auto& [first, last] :
       {std::pair<std::int64_t, std::int64_t>{2, 2}, {3, 1}, {-1, -1}, {-3, -4}}) {
    const Error error = error_of([&, begin = first, end = last] {
      read_text_windows(files_, source(path, begin, end), 10, nullptr, vocabulary);
    });
    EXPECT_EQ(error.code, ErrorCode::out_of_range) << describe(error);
  }
  EXPECT_EQ(error_of([&] { read_text_windows(files_, source(path, 0, {}), 0, nullptr, vocabulary); }).code,
            ErrorCode::out_of_range);
}

TEST_F(TextWindowsTest, reads_both_widths_of_token_files) {
  const std::vector<std::int32_t> expected = {1, 0x1234};
  EXPECT_EQ(
      read_tokens(files_, write("a.tokens.u16", std::string("\x01\x00\x34\x12", 4)), nullptr, vocabulary),
      expected);
  EXPECT_EQ(read_tokens(files_, write("a.tokens.u32", std::string("\x01\x00\x00\x00\x34\x12\x00\x00", 8)),
                        nullptr, vocabulary),
            expected);
}

TEST_F(TextWindowsTest, refuses_damaged_token_files) {
  const Error odd = error_of([&] { read_tokens(files_, write("odd.u16", "abc"), nullptr, vocabulary); });
  EXPECT_EQ(odd.code, ErrorCode::malformed_file);
  const Error large = error_of([&] { read_tokens(files_, write_count(58), nullptr, 50); });
  EXPECT_EQ(large.code, ErrorCode::out_of_range);
  EXPECT_NE(large.where.find("token 50"), std::string::npos) << large.where;
  const Error huge = error_of([&] {
    read_tokens(files_, write("huge.u32", std::string("\xFF\xFF\xFF\xFF", 4)), nullptr, vocabulary);
  });
  EXPECT_EQ(huge.found, "4294967295");
}

TEST_F(TextWindowsTest, reads_texts_whole) {
  const std::string text = "Once upon a time.\n\nThere was a fox.\n";
  for (const char* name : {"story.txt", "story.tokens", "STORY.TXT"}) {
    EXPECT_EQ(read_tokens(files_, write(name, text), &tokenizer_, vocabulary), tokenizer_.encode(text))
        << name;
  }
}

TEST_F(TextWindowsTest, joins_the_documents_of_json_lines) {
  const std::string path = write("a.jsonl", "{\"text\": \"One\\n.\"}\r\n\n{\"id\": 3, \"text\": \"Two\"}");
  EXPECT_EQ(read_tokens(files_, path, &tokenizer_, vocabulary), tokenizer_.encode("One\n.\n\nTwo"));
}

TEST_F(TextWindowsTest, names_the_line_of_bad_json) {
  for (const char* line : {"{\"text\": ", "{\"body\": \"x\"}", "{\"text\": 3}", "[]"}) {
    const std::string path = write("bad.jsonl", std::string("{\"text\": \"fine\"}\n") + line + "\n");
    const Error error = error_of([&] { read_tokens(files_, path, &tokenizer_, vocabulary); });
    EXPECT_NE(error.where.find("bad.jsonl, line 2"), std::string::npos) << describe(error);
  }
}

TEST_F(TextWindowsTest, refuses_other_files_by_name) {
  for (const char* name : {"news.csv", "data.parquet", "text.json", "text.gz", "noending"}) {
    const Error error = error_of([&] { read_tokens(files_, write(name, "x"), &tokenizer_, vocabulary); });
    EXPECT_EQ(error.code, ErrorCode::unsupported) << describe(error);
    EXPECT_FALSE(error.remedy.empty());
  }
}

TEST_F(TextWindowsTest, refuses_text_without_a_tokenizer_and_missing_files) {
  const std::string path = write("a.txt", "x");
  EXPECT_EQ(error_of([&] { read_tokens(files_, path, nullptr, vocabulary); }).code, ErrorCode::unsupported);
  const std::string absent = (folder_ / "absent.txt").string();
  EXPECT_EQ(error_of([&] { read_tokens(files_, absent, &tokenizer_, vocabulary); }).code,
            ErrorCode::missing_file);
  std::filesystem::create_directories(folder_ / "folder.txt");
  EXPECT_EQ(
      error_of([&] { read_tokens(files_, (folder_ / "folder.txt").string(), &tokenizer_, vocabulary); }).code,
      ErrorCode::missing_file);
}

TEST_F(TextWindowsTest, names_the_byte_that_is_not_utf8) {
  const std::string path = write("latin1.txt", "caf\xE9 noir");
  const Error error = error_of([&] { read_tokens(files_, path, &tokenizer_, vocabulary); });
  EXPECT_EQ(error.code, ErrorCode::malformed_file);
  EXPECT_EQ(error.where, path + ", byte 3");
}

}  // namespace
}  // namespace cce
