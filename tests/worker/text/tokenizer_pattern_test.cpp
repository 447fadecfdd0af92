#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/base/error.h"
#include "worker/text/pattern.h"
#include "worker/text/split.h"

namespace cce {
namespace {

struct SplitRow {
  const char* name;
  const char* pattern;  ///< Oniguruma's spelling
  const char* text;
  std::vector<std::string> pieces;
};

void PrintTo(const SplitRow& row, std::ostream* stream) {
  *stream << row.name;
}

class Pattern : public testing::TestWithParam<SplitRow> {};

// Expected pieces follow Oniguruma's documentation (doc/RE); the goldens check whole tokenizers against it.
TEST_P(Pattern, splits_as_oniguruma_does) {
  const SplitRow& row = GetParam();
  const TextSplitter splitter(
      {{.pattern = to_pcre2_pattern(row.pattern, "test"), .content = "", .where = "test"}});
  std::vector<std::string> pieces(1);
  TextSplitter::Stream stream(splitter, [&](std::string_view part, bool ends) {
    pieces.back() += part;
    if (ends) pieces.emplace_back();
  });
  stream.push(row.text, true, true);
  pieces.pop_back();
  EXPECT_EQ(pieces, row.pieces);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, Pattern,
    testing::Values(
        SplitRow{"white_space_has_next_line", R"(\s)", "a\u0085b", {"a", "\u0085", "b"}},
        SplitRow{"white_space_lacks_vowel_separator", R"(\s)", "a\u180eb", {"a\u180eb"}},
        SplitRow{"not_white_space_in_a_set", R"([^\S\n]+)", "a \nb\t ", {"a", " ", "\nb", "\t "}},
        SplitRow{"not_white_space_alone", R"(\S+)", "ab  c", {"ab", "  ", "c"}},
        SplitRow{"digit_is_decimal", R"(\d)", "1\u00bd\u0661", {"1", "\u00bd", "\u0661"}},
        SplitRow{"vertical_tab",
                 R"(\v)",
                 "a\x0b"
                 "b\n",
                 {"a", "\x0b", "b\n"}},
        SplitRow{"no_case_meets_long_s", R"((?i:'s))", "a'\u017f'S", {"a", "'\u017f", "'S"}},
        SplitRow{"no_case_ends_with_its_group", R"((?i:a)b)", "AbAB", {"Ab", "AB"}},
        SplitRow{"script_alone", R"(\p{Greek}+)", "a\u03b1\u0342", {"a", "\u03b1", "\u0342"}},
        SplitRow{"negated_property", R"(\p{^L}+)", "a12b", {"a", "12", "b"}},
        SplitRow{"hexadecimal", R"(\x41|\u0042|\x{1F600})", "ABC\U0001F600", {"A", "B", "C", "\U0001F600"}},
        SplitRow{"repetition", R"(\p{N}{1,3})", "12345", {"123", "45"}},
        SplitRow{"possessive", R"(a++b|a)", "aab", {"aab"}},
        SplitRow{"lookahead", R"(\s+(?!\S)|\s+)", "a   b", {"a", "  ", " ", "b"}},
        SplitRow{"empty_matches", R"(x*)", "axb", {"a", "x", "b"}},
        SplitRow{"brace_and_bracket_escaped", R"(\{|\]|\-)", "a{]-", {"a", "{", "]", "-"}}),
    [](const auto& row) { return std::string(row.param.name); });

struct RefusedRow {
  const char* name;
  const char* pattern;
  ErrorCode code;
};

void PrintTo(const RefusedRow& row, std::ostream* stream) {
  *stream << row.name;
}

class RefusedPattern : public testing::TestWithParam<RefusedRow> {};

TEST_P(RefusedPattern, is_named) {
  try {
    SplitRegex(to_pcre2_pattern(GetParam().pattern, "pre_tokenizer.pattern"), "pre_tokenizer.pattern");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, GetParam().code) << describe(error);
    EXPECT_TRUE(error.where.starts_with("pre_tokenizer.pattern")) << error.where;
    EXPECT_FALSE(error.remedy.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rows, RefusedPattern,
    testing::Values(RefusedRow{"word_class", R"(\w+)", ErrorCode::unsupported},
                    RefusedRow{"hexadecimal_class", R"(\h)", ErrorCode::unsupported},
                    RefusedRow{"line_start", "^a", ErrorCode::unsupported},
                    RefusedRow{"line_end", "a$", ErrorCode::unsupported},
                    RefusedRow{"nested_set", "[a[bc]]", ErrorCode::unsupported},
                    RefusedRow{"set_intersection", "[a-z&&x]", ErrorCode::unsupported},
                    RefusedRow{"bracket_first", "[]a]", ErrorCode::unsupported},
                    RefusedRow{"repeat_suffix", "a{1,3}+", ErrorCode::unsupported},
                    RefusedRow{"repeat_without_lowest", "a{,3}", ErrorCode::unsupported},
                    RefusedRow{"lone_brace", "a{", ErrorCode::unsupported},
                    RefusedRow{"option", "(?m:.)", ErrorCode::unsupported},
                    RefusedRow{"named_group", "(?<n>a)", ErrorCode::unsupported},
                    RefusedRow{"verb", "(*FAIL)", ErrorCode::unsupported},
                    RefusedRow{"back_reference", R"((a)\1)", ErrorCode::unsupported},
                    RefusedRow{"raw_byte", R"(\xC3)", ErrorCode::unsupported},
                    RefusedRow{"short_unicode", R"(\u12)", ErrorCode::unsupported},
                    RefusedRow{"property_without_braces", R"(\pL)", ErrorCode::unsupported},
                    RefusedRow{"open_set", "[ab", ErrorCode::malformed_file},
                    RefusedRow{"open_group", "(ab", ErrorCode::malformed_file},
                    RefusedRow{"lone_escape", "ab\\", ErrorCode::malformed_file},
                    RefusedRow{"unknown_property", R"(\p{Nonsense})", ErrorCode::malformed_file}),
    [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace cce
