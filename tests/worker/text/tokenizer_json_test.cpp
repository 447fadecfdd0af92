// What a tokenizer.json may say, and that everything else is refused by name.
#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/file.h"
#include "worker/text/tokenizer.h"

namespace cce {
namespace {

using nlohmann::json;

json small_tokenizer() {
  return json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 4, "content": "<end>", "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "post_processor": null,
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": ["a b"]}})");
}

struct RefusedRow {
  const char* name;
  const char* pointer;  ///< JSON pointer of the value to replace or add
  const char* value;
  ErrorCode code;
  const char* mentions;  ///< part of the described error
};

void PrintTo(const RefusedRow& row, std::ostream* stream) {
  *stream << row.name;
}

class RefusedTokenizer : public testing::TestWithParam<RefusedRow> {};

TEST_P(RefusedTokenizer, names_the_key_and_a_remedy) {
  json document = small_tokenizer();
  document[json::json_pointer(GetParam().pointer)] = json::parse(GetParam().value);
  try {
    Tokenizer::parse(document.dump(), "dir/tokenizer.json");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, GetParam().code) << describe(error);
    EXPECT_NE(error.where.find("dir/tokenizer.json"), std::string::npos) << describe(error);
    EXPECT_NE(describe(error).find(GetParam().mentions), std::string::npos) << describe(error);
  }
}

constexpr ErrorCode unsupported = ErrorCode::unsupported;
constexpr ErrorCode malformed = ErrorCode::malformed_file;
constexpr ErrorCode wrong_type = ErrorCode::wrong_type;

INSTANTIATE_TEST_SUITE_P(
    Rows, RefusedTokenizer,
    testing::Values(
        RefusedRow{"unknown_key", "/surprise", "1", unsupported, "surprise"},
        RefusedRow{"newer_version", "/version", "\"2.0\"", unsupported, "version"},
        RefusedRow{"other_model", "/model/type", "\"Unigram\"", unsupported, "model.type"},
        RefusedRow{"unknown_model_key", "/model/scores", "[]", unsupported, "scores"},
        RefusedRow{"dropout", "/model/dropout", "0.1", unsupported, "model.dropout"},
        RefusedRow{"byte_fallback_of_bytes", "/model/byte_fallback", "true", unsupported,
                   "model.byte_fallback"},
        RefusedRow{"subword_prefix", "/model/continuing_subword_prefix", "\"##\"", unsupported,
                   "continuing_subword"},
        RefusedRow{"word_suffix", "/model/end_of_word_suffix", "\"</w>\"", unsupported, "end_of_word_suffix"},
        RefusedRow{"unknown_token_missing", "/model/unk_token", "\"<unk>\"", malformed, "<unk>"},
        RefusedRow{"vocabulary_list", "/model/vocab", "[\"a\"]", wrong_type, "model.vocab"},
        RefusedRow{"id_negative", "/model/vocab/a", "-1", ErrorCode::out_of_range, "model.vocab.a"},
        RefusedRow{"id_huge", "/model/vocab/a", "2000000000", ErrorCode::out_of_range, "model.vocab.a"},
        RefusedRow{"id_text", "/model/vocab/a", "\"0\"", wrong_type, "model.vocab.a"},
        RefusedRow{"id_twice", "/model/vocab/b", "0", malformed, "model.vocab.b"},
        RefusedRow{"merge_one_part", "/model/merges/0", "\"ab\"", malformed, "model.merges[0]"},
        RefusedRow{"merge_three_parts", "/model/merges/0", R"(["a", "b", "c"])", malformed,
                   "model.merges[0]"},
        RefusedRow{"merge_of_unknown", "/model/merges/0", R"(["a", "z"])", malformed, "model.merges[0]"},
        RefusedRow{"merge_into_unknown", "/model/merges/0", R"(["b", "a"])", malformed, "\"ba\""},
        RefusedRow{"normalizer", "/normalizer", R"({"type": "Lowercase"})", unsupported, "normalizer.type"},
        RefusedRow{"normalizer_in_sequence", "/normalizer",
                   R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "NFKC"}]})", unsupported,
                   "normalizer.normalizers[1].type"},
        RefusedRow{"normalizer_of_pattern", "/normalizer",
                   R"({"type": "Replace", "pattern": {"Regex": " +"}, "content": " "})", unsupported,
                   "normalizer.pattern"},
        RefusedRow{"normalizer_of_nothing", "/normalizer",
                   R"({"type": "Replace", "pattern": {"String": ""}, "content": " "})", unsupported,
                   "normalizer.pattern"},
        RefusedRow{"pre_tokenizer", "/pre_tokenizer/type", "\"Whitespace\"", unsupported,
                   "pre_tokenizer.type"},
        RefusedRow{"metaspace_of_two", "/pre_tokenizer", R"({"type": "Metaspace", "replacement": "ab"})",
                   malformed, "pre_tokenizer.replacement"},
        RefusedRow{
            "metaspace_of_two_minds", "/pre_tokenizer",
            R"({"type": "Metaspace", "replacement": "_", "add_prefix_space": false, "prepend_scheme": "first"})",
            malformed, "pre_tokenizer.add_prefix_space"},
        RefusedRow{"byte_level_not_last", "/pre_tokenizer",
                   R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]})",
                   unsupported, "pre_tokenizer.pretokenizers[1]"},
        RefusedRow{
            "pattern", "/pre_tokenizer",
            R"({"type": "Split", "pattern": {"Regex": "\\w+"}, "behavior": "Isolated", "invert": false})",
            unsupported, "pre_tokenizer.pattern.Regex"},
        RefusedRow{"behavior", "/pre_tokenizer",
                   R"({"type": "Split", "pattern": {"String": "x"}, "behavior": "Isolate", "invert": false})",
                   ErrorCode::out_of_range, "pre_tokenizer.behavior"},
        RefusedRow{"post_processor", "/post_processor", R"({"type": "BertProcessing"})", unsupported,
                   "post_processor.type"},
        RefusedRow{"template_without_text", "/post_processor",
                   R"({"type": "TemplateProcessing", "single": [], "special_tokens": {}})", malformed,
                   "post_processor.single"},
        RefusedRow{"decoder", "/decoder", R"({"type": "WordPiece"})", unsupported, "decoder"},
        RefusedRow{"decoder_in_sequence", "/decoder",
                   R"({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "CTC"}]})", unsupported,
                   "decoder.decoders[1]"},
        RefusedRow{"no_decoder", "/decoder", "null", unsupported, "decoder"},
        RefusedRow{"added_id_skips", "/added_tokens/0/id", "9", malformed, "added_tokens[0].id"},
        RefusedRow{"added_key", "/added_tokens/0/stripped", "true", unsupported, "stripped"},
        RefusedRow{"added_flag_type", "/added_tokens/0/lstrip", "1", wrong_type, "added_tokens[0].lstrip"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(TokenizerFile, refuses_broken_json) {
  const std::string whole = small_tokenizer().dump();
  for (std::size_t bytes : {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
    EXPECT_THROW(Tokenizer::parse(whole.substr(0, bytes), "tokenizer.json"), Error) << bytes;
  }
  EXPECT_THROW(Tokenizer::parse("[]", "tokenizer.json"), Error);
}

// Whatever stands in the file, it gives a tokenizer or an Error: no crash and no other exception.
TEST(TokenizerFile, survives_any_change_of_bytes) {
  const std::string whole = small_tokenizer().dump();
  const std::string replacements = "\"{}[]:,\\0az-.\x01\xFF";
  std::mt19937 generator(7);
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string changed = whole;
    for (int change = 0; change < 1 + round % 3; ++change) {
      changed[generator() % changed.size()] = replacements[generator() % replacements.size()];
    }
    try {
      Tokenizer::parse(changed, "tokenizer.json").encode("ab ba<end>");
    } catch (const Error& error) {
      EXPECT_FALSE(error.where.empty()) << changed;
      ++refused;
    }
  }
  EXPECT_GT(refused, 2000);
}

TEST(TokenizerFile, says_what_to_do_without_a_tokenizer) {
  try {
    Tokenizer::load(PosixFileSystem(), std::string(CCE_TESTS_DIR) + "/data/text");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::missing_file);
    EXPECT_NE(error.remedy.find("tokenize.py"), std::string::npos);
  }
}

TEST(TokenizerFile, reads_both_spellings_of_merges) {
  json document = small_tokenizer();
  const std::vector<std::int32_t> expected = {2, 3, 1, 4};
  for (const char* merges : {R"(["#version: 0.2", "a b"])", R"([["a", "b"]])"}) {
    document["model"]["merges"] = json::parse(merges);
    EXPECT_EQ(Tokenizer::parse(document.dump(), "").encode("ab b<end>"), expected) << merges;
  }
}

TEST(TokenizerFile, looks_for_a_string_pattern_as_written) {
  json document = small_tokenizer();
  document["model"]["vocab"] = json{{"a", 0}, {".", 1}, {"a.", 2}, {"a.a", 3}};
  document["model"]["merges"] = json::parse(R"(["a .", "a. a"])");
  document["pre_tokenizer"] = json::parse(
      R"({"type": "Sequence", "pretokenizers": [
          {"type": "Split", "pattern": {"String": "."}, "behavior": "MergedWithPrevious", "invert": false},
          {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})");
  EXPECT_EQ(Tokenizer::parse(document.dump(), "").encode("a.aa.a"), (std::vector<std::int32_t>{2, 0, 2, 0}));
}

TEST(TokenizerText, refuses_invalid_utf8_with_its_offset) {
  const Tokenizer tokenizer = Tokenizer::parse(small_tokenizer().dump(), "");
  try {
    tokenizer.encode("abababababa\xFF", "novel.txt");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::malformed_file);
    EXPECT_EQ(error.where, "novel.txt, byte 11");
  }
}

TEST(TokenizerText, decodes_an_id_without_a_token_to_nothing) {
  const Tokenizer tokenizer = Tokenizer::parse(small_tokenizer().dump(), "");
  EXPECT_EQ(tokenizer.vocabulary_size(), 5);
  EXPECT_EQ(tokenizer.decode(std::vector<std::int32_t>{2, 3, 4}), "ab <end>");
  EXPECT_EQ(tokenizer.decode(std::vector<std::int32_t>{0, 5, 1, 1'000'000}), "ab");
  EXPECT_THROW(tokenizer.decode(std::vector<std::int32_t>{-1}), Error);
}

}  // namespace
}  // namespace cce
