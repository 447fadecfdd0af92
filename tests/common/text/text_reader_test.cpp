// Texts as people have them: what is read, what is skipped, what is refused and how it is named.
#include "common/text/text_reader.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/text/text_record.h"
#include "common/text/token_file.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string result(deflateBound(&stream, text.size()), '\0');
  std::string input = text;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

std::string zstd(const std::string& text) {
  std::string result(ZSTD_compressBound(text.size()), '\0');
  result.resize(ZSTD_compress(result.data(), result.size(), text.data(), text.size(), 3));
  return result;
}

class TextReaderTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& content) const {
    const std::filesystem::path path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }

  std::string read(const std::string& path, const std::string& text_key = "") {
    std::string text;
    TextSource source;
    source.path = path;
    source.text_key = text_key;
    facts_ = read_text(files_, source, [&](std::string_view part) {
      text += part;
      return true;
    });
    return text;
  }

  TemporaryFolder folder_;
  PosixFileSystem files_;
  TextFacts facts_;
};

const std::string records =
    "{\"text\": \"One\\r\\n.\", \"score\": NaN}\r\n\n{\"text\": null}\n{\"text\": \"Two\"}";
const std::string records_read = "One\r\n.\n\nTwo";

TEST_F(TextReaderTest, reads_every_kind_of_file) {
  const std::string text = "a\r\nb\rc\n\xC3\xA9";
  const std::string text_read = "a\nb\nc\n\xC3\xA9";
  EXPECT_EQ(read(write("a.txt", text)), text_read);
  EXPECT_EQ(read(write("A.TXT.GZ", gzip(text))), text_read);
  EXPECT_EQ(read(write("a.md.zst", zstd(text))), text_read);
  EXPECT_EQ(read(write("a.jsonl", records)), records_read);
  EXPECT_EQ(read(write("a.jsonl.gz", gzip(records) + gzip("\n" + records))),
            records_read + "\n\n" + records_read);
  EXPECT_EQ(read(write("a.jsonl.zst", zstd(records) + zstd("\n" + records))),
            records_read + "\n\n" + records_read);
  EXPECT_EQ(facts_.records, 6);
  EXPECT_EQ(facts_.skipped, 2);
}

// Blocks end anywhere: inside of a code point, a line end, a line.
TEST_F(TextReaderTest, reads_texts_of_many_blocks) {
  std::string text, expected, lines;
  for (int i = 0; i < 60'000; ++i) {
    text += std::to_string(i) + "\r\n\xE2\x82\xAC\r";
    expected += std::to_string(i) + "\n\xE2\x82\xAC\n";
    lines += "{\"text\": \"" + std::to_string(i) + "\"}\n";
  }
  EXPECT_EQ(read(write("long.txt", text)), expected);
  EXPECT_EQ(read(write("long.txt.gz", gzip(text))), expected);
  EXPECT_EQ(read(write("long.txt.zst", zstd(text))), expected);
  read(write("long.jsonl", lines));
  EXPECT_EQ(facts_.records, 60'000);
  const std::string one_line = "{\"text\": \"" + std::string(900'000, 'x') + "\"}";
  EXPECT_EQ(read(write("line.jsonl", one_line)).size(), 900'000U);
}

TEST_F(TextReaderTest, reads_a_folder_by_name) {
  write("set/b.jsonl", "{\"content\": \"second\"}");
  write("set/a.txt", "first");
  write("set/c.txt.gz", gzip("third"));
  write("set/.hidden", "x");
  EXPECT_EQ(read((folder_.path() / "set").string()), "first\n\nsecond\n\nthird");
  write("set/d.csv", "x");
  EXPECT_NE(error_of([&] { read((folder_.path() / "set").string()); }).where.find("d.csv"),
            std::string::npos);
}

TEST_F(TextReaderTest, takes_the_key_that_is_there_or_asked_for) {
  EXPECT_EQ(read(write("a.jsonl", "{\"content\": \"c\"}\n{\"content\": \"x\", \"text\": \"t\"}")), "c\n\nt");
  EXPECT_EQ(read(write("b.jsonl", "{\"text\": \"t\", \"body\": \"b\"}"), "body"), "b");
  const Error other =
      error_of([&] { read(write("c.jsonl", "{\"instruction\": \"i\", \"output\": \"o\"}")); });
  EXPECT_EQ(other.code, ErrorCode::wrong_type);
  EXPECT_NE(describe(other).find("'instruction', 'output'"), std::string::npos) << describe(other);
  EXPECT_NE(other.where.find("c.jsonl, line 1"), std::string::npos);
  const Error asked = error_of([&] { read(write("d.jsonl", "{\"text\": \"t\"}"), "body"); });
  EXPECT_NE(describe(asked).find("'body'"), std::string::npos) << describe(asked);
}

TEST_F(TextReaderTest, sends_chats_and_tables_to_the_script) {
  for (const char* line : {"{\"messages\": []}", "{\"conversations\": [{\"from\": \"human\"}]}"}) {
    const std::string path = write("chat.jsonl", line);
    const Error error = error_of([&] { read(path); });
    EXPECT_EQ(error.code, ErrorCode::unsupported);
    EXPECT_NE(error.remedy.find("tokenize.py"), std::string::npos);
    TextSource source;
    source.path = path;
    EXPECT_TRUE(check_text_source(files_, source).script);
  }
  EXPECT_EQ(error_of([&] { read(write("table.parquet", "PAR1")); }).code, ErrorCode::unsupported);
}

TEST_F(TextReaderTest, stops_when_no_more_is_wanted) {
  TextSource source;
  source.path = write("a.jsonl", records + "\n{broken");
  int parts = 0;
  read_text(files_, source, [&](std::string_view) { return ++parts < 2; });
  EXPECT_EQ(parts, 2);
}

TEST_F(TextReaderTest, names_what_is_damaged) {
  const std::string whole_gzip = gzip(std::string(1000, 'a') + records);
  const std::string whole_zstd = zstd(std::string(1000, 'a') + records);
  for (const std::string& path :
       {write("short.txt.gz", whole_gzip.substr(0, whole_gzip.size() / 2)),
        write("none.txt.gz", "plain text"),
        write("short.txt.zst", whole_zstd.substr(0, whole_zstd.size() / 2)),
        write("none.txt.zst", "plain text"), write("broken.jsonl", "{\"text\": \"fine\"}\n{\"text\": "),
        write("latin1.txt", "caf\xE9 noir")}) {
    const Error error = error_of([&] { read(path); });
    EXPECT_EQ(error.code, ErrorCode::malformed_file) << path;
    EXPECT_NE(error.where.find(path), std::string::npos) << describe(error);
  }
  EXPECT_NE(error_of([&] {
              read(write("far.txt", std::string(600'000, 'a') + "\xE9"
                                                                "b"));
            }).where.find("byte 600000"),
            std::string::npos);
}

TEST_F(TextReaderTest, checks_only_the_first_of_a_text) {
  TextSource source;
  source.path = write("a.jsonl", "{\"text\": null}\n{\"text\": \"t\"}\n{broken");
  const TextNeeds needs = check_text_source(files_, source);
  EXPECT_TRUE(needs.tokenizer);
  EXPECT_FALSE(needs.script);
  source.path = write("ids.u16", "abcd");
  EXPECT_FALSE(check_text_source(files_, source).tokenizer);
  for (const std::string& path : {write("odd.u16", "abc"), write("a.csv", "x"), write("b.jsonl", "{broken"),
                                  write("c.txt", "\xFF"), write("d.jsonl", "{\"body\": \"b\"}")}) {
    source.path = path;
    EXPECT_THROW(check_text_source(files_, source), Error) << path;
  }
}

TEST_F(TextReaderTest, reads_numbers_that_json_has_no_word_for) {
  EXPECT_EQ(
      parse_text_record(R"({"a": [NaN, -Infinity, Infinity], "text": "a NaN \" Infinity\\"})", "", "x").text,
      "a NaN \" Infinity\\");
  EXPECT_EQ(parse_text_record(R"({"text": NaN})", "", "x").kind, TextRecord::Kind::nothing);
  EXPECT_THROW(parse_text_record(R"({"text": nan})", "", "x"), Error);
  EXPECT_THROW(parse_text_record(R"({"text": 3})", "", "x"), Error);
}

TEST_F(TextReaderTest, writes_token_files_of_both_widths) {
  const std::vector<std::int32_t> ids = {1, 0x1234, 65535};
  for (const auto& [vocabulary, name] : {std::pair{65536, "a.u16"}, std::pair{65537, "a.u32"}}) {
    const std::string path = write(name, token_file_bytes(ids, token_bytes_for(vocabulary)));
    EXPECT_EQ(TokenFile::open(files_, path).copy(0, 3, vocabulary), ids);
    EXPECT_EQ(TokenFile::open(files_, path).copy(1, 1, vocabulary), std::vector<std::int32_t>{0x1234});
    EXPECT_THROW(TokenFile::open(files_, path).copy(0, 3, 65535), Error);
  }
}

}  // namespace
}  // namespace cce
