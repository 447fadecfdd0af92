// The texts of a job: tokenised once, begun as the tokenizer begins a text, by Python where nothing else can.
#include "worker/text/job_texts.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "worker/text/begin_tokens.h"
#include "worker/text/script_tokens.h"
#include "worker/text/tokenizer.h"

namespace cce {
namespace {

const std::string tests_folder = CCE_TESTS_DIR;

class JobTextsTest : public testing::Test {
 protected:
  JobTextsTest() {
    spec_.model = (folder_ / "model").string();
    spec_.calibration.length = 16;
    spec_.kind = JobKind::evaluate;
    std::filesystem::create_directories(spec_.model);
    use_tokenizer("gpt2");
  }

  void use_tokenizer(const std::string& name) const {
    std::filesystem::copy_file(tests_folder + "/data/tokenizers/" + name + ".json",
                               folder_ / "model/tokenizer.json",
                               std::filesystem::copy_options::overwrite_existing);
  }
  TextSource text(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    TextSource source;
    source.path = (folder_ / name).string();
    return source;
  }
  JobTexts texts(std::int64_t vocabulary = 70'000) {
    return {files_, spec_, vocabulary, folder_ / "tokens",
            [this](const std::string& said) { said_.push_back(said); }};
  }
  static std::vector<std::int32_t> joined(const TextWindows& windows) {
    std::vector<std::int32_t> ids;
    for (std::int64_t i = 0; i < windows.count(); ++i) {
      const std::vector<std::int32_t> window = windows.window(i);
      ids.insert(ids.end(), window.begin(), window.end());
    }
    return ids;
  }
  std::vector<std::int32_t> whole_windows(const std::string& content) const {
    std::vector<std::int32_t> ids = Tokenizer::load(files_, spec_.model).encode(content);
    ids.resize(ids.size() / 16 * 16);
    return ids;
  }
  std::size_t token_files() const {
    const auto entries = std::filesystem::directory_iterator(folder_ / "tokens");
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
  }
  TemporaryFolder folder_;
  PosixFileSystem files_;
  JobSpec spec_;
  std::vector<std::string> said_;
};

std::string long_text() {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "Line " + std::to_string(i) + ", once upon a time.\n";
  return text;
}

TEST_F(JobTextsTest, tokenises_a_text_once_for_all_its_uses) {
  const TextSource source = text("a.txt", long_text());
  JobTexts first = texts();
  EXPECT_EQ(joined(first.windows(source)), whole_windows(long_text()));
  TextSource last = source;
  last.first = -2;
  EXPECT_EQ(first.windows(last).count(), 2);
  EXPECT_EQ(token_files(), 1U);
  EXPECT_EQ(joined(texts().windows(source)), whole_windows(long_text()));
  EXPECT_EQ(token_files(), 1U);
  const TextSource other = text("a.txt", "Other text. " + long_text());
  EXPECT_EQ(joined(texts().windows(other)), whole_windows("Other text. " + long_text()));
  first.remove();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "tokens"));
}

TEST_F(JobTextsTest, reads_no_further_than_the_last_window_asked_for) {
  std::string words;
  for (int i = 0; i < 200; ++i) words += "word after word ";
  TextSource source = text("a.jsonl", "{\"text\": \"" + words + "\"}\n{broken");
  source.last = 3;
  spec_.evaluate.text = {source};
  JobTexts first = texts();
  first.prepare();
  EXPECT_EQ(first.windows(source).count(), 3);
  spec_.evaluate.text.push_back(source);
  spec_.evaluate.text.back().last.reset();
  EXPECT_EQ(error_of([&] { texts().prepare(); }).code, ErrorCode::malformed_file);
}

TEST_F(JobTextsTest, joins_records_and_says_how_many_have_no_text) {
  const std::string line = R"({"text": "One upon a time there was a fox, and it was not alone."})";
  const TextSource source = text("a.jsonl", line + "\n{\"text\": null}\n" + line);
  const std::string one = "One upon a time there was a fox, and it was not alone.";
  EXPECT_EQ(joined(texts().windows(source)), whole_windows(one + "\n\n" + one));
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_NE(said_.front().find("1 of 3 records"), std::string::npos) << said_.front();
}

TEST_F(JobTextsTest, begins_windows_as_the_tokenizer_begins_a_text) {
  use_tokenizer("llama2");
  spec_.evaluate.text = {text("a.txt", long_text())};
  JobTexts given = texts();
  given.prepare();
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_NE(said_.front().find("token 1,"), std::string::npos) << said_.front();
  const std::vector<std::int32_t> ids = Tokenizer::load(files_, spec_.model).encode(long_text());
  const TextWindows windows = given.windows(spec_.evaluate.text.front());
  std::vector<std::int32_t> second = windows.window(1);
  EXPECT_EQ(second.front(), 1);
  second.erase(second.begin());
  EXPECT_EQ(second, std::vector(ids.begin() + 15, ids.begin() + 30));
  spec_.calibration.bos = BeginTokens::never;
  EXPECT_EQ(texts().windows(spec_.evaluate.text.front()).window(1),
            std::vector(ids.begin() + 16, ids.begin() + 32));
}

TEST_F(JobTextsTest, finds_the_token_that_begins_a_text) {
  struct Row {
    const char* tokenizer;
    std::vector<std::int32_t> ids;
  };
  for (const auto& [tokenizer, ids] : {Row{"gpt2", {}}, Row{"llama3", {500}}, Row{"gemma", {2}}}) {
    use_tokenizer(tokenizer);
    EXPECT_EQ(begin_ids_of(files_, spec_.model, BeginTokens::automatic), ids) << tokenizer;
    EXPECT_TRUE(begin_ids_of(files_, spec_.model, BeginTokens::never).empty());
  }
  use_tokenizer("gpt2");
  EXPECT_EQ(error_of([&] { begin_ids_of(files_, spec_.model, BeginTokens::always); }).code,
            ErrorCode::unsupported);
  std::ofstream(folder_ / "model/config.json") << R"({"bos_token_id": 5})";
  EXPECT_EQ(begin_ids_of(files_, spec_.model, BeginTokens::always), std::vector<std::int32_t>{5});
}

TEST_F(JobTextsTest, refuses_a_tokenizer_that_has_more_tokens_than_the_model) {
  EXPECT_EQ(error_of([&] { texts(100).windows(text("a.txt", long_text())); }).code, ErrorCode::out_of_range);
}

TEST_F(JobTextsTest, names_the_command_where_python_cannot_help) {
  const TextSource chat = text("my chat.jsonl", R"({"messages": [{"role": "user", "content": "Hello"}]})");
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  const Error error = error_of([&] { texts().windows(chat); });
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_NE(error.remedy.find("scripts/tokenize.py " + spec_.model + " '" + chat.path + "'"),
            std::string::npos)
      << describe(error);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "tokens/cce_tokenize.py"));
}

/// A python3 that records what it was asked and writes four ids.
TEST_F(JobTextsTest, lets_python_tokenise_what_it_does_not_read) {
  std::filesystem::create_directories(folder_ / "bin");
  std::ofstream(folder_ / "bin/python3")
      << "#!/bin/sh\necho \"$@\" >> " << (folder_ / "asked").string()
      << "\nprintf '\\001\\000\\002\\000\\003\\000\\004\\000' > \"$5\"\n"
         "echo a warning\necho '{\"tokens\": 4, \"records\": 3, \"skipped\": 2}'\n";
  std::filesystem::permissions(folder_ / "bin/python3", std::filesystem::perms::owner_all);
  const std::string path = std::getenv("PATH");
  setenv("PATH", ((folder_ / "bin").string() + ":" + path).c_str(), 1);
  spec_.calibration.length = 2;
  std::ofstream(folder_ / "model/tokenizer.json") << R"({"model": {"type": "Unigram", "vocab": []}})";
  TextSource source = text("a.jsonl", R"({"body": "Hello"})");
  source.text_key = "body";
  EXPECT_EQ(joined(texts(1000).windows(source)), (std::vector<std::int32_t>{1, 2, 3, 4}));
  EXPECT_EQ(joined(texts(1000).windows(source)), (std::vector<std::int32_t>{1, 2, 3, 4}));
  setenv("PATH", path.c_str(), 1);
  std::ifstream asked(folder_ / "asked");
  std::string line, another;
  std::getline(asked, line);
  EXPECT_NE(line.find("--text-key body"), std::string::npos) << line;
  EXPECT_FALSE(std::getline(asked, another)) << "asked twice";
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_NE(said_.front().find("2 of 3 records"), std::string::npos);
}

}  // namespace
}  // namespace cce
