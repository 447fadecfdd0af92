#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "worker/text/unicode.h"

namespace cce {
namespace {

struct Utf8Row {
  const char* name;
  std::string bytes;
  std::optional<std::size_t> first_invalid;
  std::string replaced;
};

void PrintTo(const Utf8Row& row, std::ostream* stream) {
  *stream << row.name;
}

class Utf8 : public testing::TestWithParam<Utf8Row> {};

TEST_P(Utf8, finds_the_first_invalid_byte) {
  EXPECT_EQ(first_invalid_utf8(GetParam().bytes), GetParam().first_invalid);
}

TEST_P(Utf8, replaces_each_maximal_part) {
  EXPECT_EQ(replace_invalid_utf8(GetParam().bytes), GetParam().replaced);
}

// The last rows are the examples of the Unicode Standard, section 3.9 (tables 3-8 to 3-11).
INSTANTIATE_TEST_SUITE_P(
    Rows, Utf8,
    testing::Values(Utf8Row{"ascii", "plain text, long", std::nullopt, "plain text, long"},
                    Utf8Row{"empty", "", std::nullopt, ""},
                    Utf8Row{"two_three_four_bytes", "é€😀", std::nullopt, "é€😀"},
                    Utf8Row{"last_code_point", "\xF4\x8F\xBF\xBF", std::nullopt, "\xF4\x8F\xBF\xBF"},
                    Utf8Row{"above_last", "\xF4\x90\x80\x80", 0, "\uFFFD\uFFFD\uFFFD\uFFFD"},
                    Utf8Row{"after_eight_ascii", "12345678\x80", 8, "12345678\uFFFD"},
                    Utf8Row{"cut_at_the_end", "ab\xE2\x82", 2, "ab\uFFFD"},
                    Utf8Row{"overlong", "\xC0\xAF\xE0\x80\xBF", 0, "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"},
                    Utf8Row{"surrogate", "\xED\xA0\x80\x41", 0, "\uFFFD\uFFFD\uFFFD\x41"},
                    Utf8Row{"other_ill_formed", "\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", 0,
                            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41\uFFFD\uFFFD\x42"},
                    Utf8Row{"truncated", "\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", 0,
                            "\uFFFD\uFFFD\uFFFD\uFFFD\x41"}),
    [](const auto& row) { return std::string(row.param.name); });

/// UTF-8 of a code point below 0x800.
std::string utf8_of(char32_t code_point) {
  if (code_point < 0x80) {
    return {static_cast<char>(code_point)};
  }
  return {static_cast<char>(0xC0U | (code_point >> 6U)), static_cast<char>(0x80U | (code_point & 0x3FU))};
}

TEST(ByteAlphabetTest, is_a_bijection_of_bytes) {
  const ByteAlphabet alphabet;
  std::string seen(256, '\0');
  for (char32_t code = 0; code < 0x400; ++code) {
    if (const auto bytes = alphabet.bytes_of(utf8_of(code))) {
      ASSERT_EQ(bytes->size(), 1U);
      ++seen[static_cast<unsigned char>(bytes->front())];
    }
  }
  EXPECT_EQ(seen, std::string(256, '\1'));
  EXPECT_EQ(alphabet.bytes_of("Ġa"), " a");
  EXPECT_EQ(alphabet.bytes_of(" a"), std::nullopt);
}

TEST(Nfc, composes_and_orders_marks) {
  const NfcNormalizer nfc;
  EXPECT_EQ(nfc.normalize("e\u0301 \u1100\u1161"), "é \uac00");
  EXPECT_EQ(nfc.normalize("a\u0315\u0334"), "a\u0334\u0315");
}

TEST(Nfc, leaves_what_unicode_9_does_not_know) {
  const NfcNormalizer nfc;
  EXPECT_EQ(nfc.normalize("a\u1df6\u0334"), "a\u1df6\u0334");  // U+1DF6: Unicode 10, class 228
}

}  // namespace
}  // namespace cce
