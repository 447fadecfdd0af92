// Ids and texts as Hugging Face tokenizers gives them (scripts/conformance/tokenizer_goldens.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/base/file.h"
#include "worker/text/tokenizer.h"

namespace cce {
namespace {

const std::string tests_folder = CCE_TESTS_DIR;

std::string read_file(const std::string& path) {
  return PosixFileSystem().read_text(path, 1 << 24);
}

Tokenizer load_tokenizer(const std::string& name) {
  const std::string file = name.ends_with(".model") ? name : name + ".json";
  return Tokenizer::load(PosixFileSystem(), tests_folder + "/data/tokenizers/" + file);
}

// FNV-1a over little-endian 32-bit words, as the script computes it.
std::string digest(const std::vector<std::int32_t>& ids) {
  std::uint64_t value = 0xCBF29CE484222325U;
  for (const std::int32_t id : ids) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      value = (value ^ ((static_cast<std::uint32_t>(id) >> shift) & 0xFFU)) * 0x100000001B3U;
    }
  }
  std::string text(16, '0');
  for (std::size_t i = 0; i < 16; ++i) text[i] = "0123456789abcdef"[(value >> (60 - 4 * i)) & 0xFU];
  return text;
}

class TokenizerGolden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    golden_ = nlohmann::json::parse(read_file(tests_folder + "/goldens/tokenizer.json")).at(GetParam());
  }
  Tokenizer tokenizer_ = load_tokenizer(GetParam());
  nlohmann::json golden_;
};

TEST_P(TokenizerGolden, has_the_vocabulary) {
  EXPECT_EQ(tokenizer_.vocabulary_size(), golden_.at("vocabulary"));
  EXPECT_EQ(tokenizer_.begin_ids(), golden_.value("begin", std::vector<std::int32_t>{}));
}

TEST_P(TokenizerGolden, encodes_texts) {
  for (const auto& [name, expected] : golden_.at("texts").items()) {
    const std::vector<std::int32_t> ids = tokenizer_.encode(read_file(tests_folder + "/data/text/" + name));
    EXPECT_EQ(ids.size(), expected.at("tokens")) << name;
    EXPECT_EQ(digest(ids), expected.at("digest")) << name;
  }
}

TEST_P(TokenizerGolden, encodes_and_decodes_random_strings) {
  for (const auto& string : golden_.at("strings")) {
    const auto text = string.at("text").get<std::string>();
    const auto ids = string.at("ids").get<std::vector<std::int32_t>>();
    EXPECT_EQ(tokenizer_.encode(text), ids) << text;
    EXPECT_EQ(tokenizer_.decode(ids), string.value("decoded", text));
  }
}

// Cut anywhere between code points, a text has the ids of the whole.
TEST_P(TokenizerGolden, encodes_texts_that_come_in_parts) {
  std::vector<std::string> texts = {read_file(tests_folder + "/data/text/books.txt")};
  std::string strings;
  for (const auto& string : golden_.at("strings")) {
    texts.push_back(string.at("text").get<std::string>());
    strings += texts.back();
  }
  texts.push_back(strings);
  std::mt19937 generator(11);
  const std::unique_ptr<TokenStream> stream = tokenizer_.stream();
  for (const std::size_t longest : {1, 7, 300, 20'000}) {
    for (const std::string_view text : texts) {
      if (longest < 20 && text.size() > 20'000) continue;
      std::vector<std::int32_t> ids;
      for (std::size_t begin = 0; begin < text.size();) {
        std::size_t end = std::min(text.size(), begin + 1 + generator() % longest);
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) ++end;
        stream->push(text.substr(begin, end - begin), end == text.size() && generator() % 2 == 0, ids);
        if (end == text.size()) stream->push("", true, ids);
        begin = end;
      }
      EXPECT_EQ(ids, tokenizer_.encode(text))
          << "parts of up to " << longest << " bytes of " << text.substr(0, 200);
    }
  }
}

TEST_P(TokenizerGolden, encodes_the_same_on_four_threads_at_once) {
  const std::string text = read_file(tests_folder + "/data/text/books.txt");
  const std::vector<std::int32_t> expected = tokenizer_.encode(text);
  std::vector<std::vector<std::int32_t>> results(4);
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&] { result = tokenizer_.encode(text); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerGolden,
                         testing::Values("smollm", "gpt2", "llama3", "qwen2", "stripping", "unknown",
                                         "unknown_each", "qwen35", "tekken", "gpt4o", "deepseek_v3", "llama2",
                                         "phi3", "mistral3", "gemma", "metaspace", "metaspace_never",
                                         "pieces_bpe.model", "pieces_unigram.model"),
                         [](const auto& row) {
                           const std::string name = row.param;
                           return name.substr(0, name.find('.'));
                         });

TEST(Tokenizer, keeps_the_text_where_every_byte_has_a_token) {
  for (const char* name : {"gpt2", "llama3", "gpt4o", "deepseek_v3", "llama2", "gemma"}) {
    const Tokenizer tokenizer = load_tokenizer(name);
    std::string text;
    for (char32_t code = 1; code < 0x3000; ++code) {
      if (code == 0x2581) continue;  // the sign for a space in vocabularies of characters
      if (code < 0x80) {
        text.push_back(static_cast<char>(code));
      } else if (code < 0x800) {
        text.push_back(static_cast<char>(0xC0U | (code >> 6U)));
        text.push_back(static_cast<char>(0x80U | (code & 0x3FU)));
      } else {
        text.push_back(static_cast<char>(0xE0U | (code >> 12U)));
        text.push_back(static_cast<char>(0x80U | ((code >> 6U) & 0x3FU)));
        text.push_back(static_cast<char>(0x80U | (code & 0x3FU)));
      }
    }
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << name;
  }
}

// One long word: a merge that scanned the word again each time would take minutes.
TEST(Tokenizer, encodes_very_long_words) {
  for (const char* name : {"gpt2", "llama2"}) {
    const Tokenizer tokenizer = load_tokenizer(name);
    for (const char* unit : {"a", "the", "!", " ", "\xC3\xA9", "\xE5\xAD\x97"}) {
      std::string text;
      while (text.size() < 300'000) text += unit;
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << unit;
    }
  }
}

}  // namespace
}  // namespace cce
