#include "worker/text/unicode.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>

#include <cstring>

#include "common/base/error.h"

namespace cce {
namespace {

struct LeadByte {
  std::size_t bytes;                    // of the whole sequence; 0: cannot start one
  unsigned char first_low, first_high;  // range of the first continuation byte
};

LeadByte lead_byte(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

void check_icu(UErrorCode status) {
  if (U_SUCCESS(status)) return;
  throw Error{.code = ErrorCode::unsupported,
              .where = "tokenizer, normalizer NFC",
              .found = u_errorName(status),
              .expected = "text that ICU can normalize",
              .remedy = "Check the ICU installation, or split the text into smaller files"};
}

}  // namespace

Utf8Step read_utf8(std::string_view text, std::size_t position) {
  const auto byte_at = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned char first = byte_at(position);
  const LeadByte lead = lead_byte(first);
  if (lead.bytes == 0) return {0, 1, false};
  if (lead.bytes == 1) return {first, 1, true};
  char32_t code_point = first & (0x7FU >> lead.bytes);
  for (std::size_t i = 1; i < lead.bytes; ++i) {
    const unsigned char low = i == 1 ? lead.first_low : 0x80;
    const unsigned char high = i == 1 ? lead.first_high : 0xBF;
    if (position + i >= text.size() || byte_at(position + i) < low || byte_at(position + i) > high) {
      return {0, i, false};
    }
    code_point = (code_point << 6U) | (byte_at(position + i) & 0x3FU);
  }
  return {code_point, lead.bytes, true};
}

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  std::size_t position = 0;
  while (position < text.size()) {
    std::uint64_t word = 0;
    if (position + sizeof word <= text.size()) {  // eight ASCII bytes at once
      std::memcpy(&word, text.data() + position, sizeof word);
      if ((word & 0x8080808080808080U) == 0) {
        position += sizeof word;
        continue;
      }
    }
    const Utf8Step step = read_utf8(text, position);
    if (!step.valid) return position;
    position += step.bytes;
  }
  return std::nullopt;
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t position = 0; position < bytes.size();) {
    const Utf8Step step = read_utf8(bytes, position);
    if (step.valid) {
      text.append(bytes.substr(position, step.bytes));
    } else {
      text.append("\xEF\xBF\xBD");
    }
    position += step.bytes;
  }
  return text;
}

std::string byte_token(unsigned char byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string token = "<0x00>";
  token[3] = digits[byte >> 4U];
  token[4] = digits[byte & 0xFU];
  return token;
}

bool is_word_character(char32_t code_point) {
  const auto character = static_cast<UChar32>(code_point);
  return u_hasBinaryProperty(character, UCHAR_ALPHABETIC) ||
         u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL) ||
         (U_GET_GC_MASK(character) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

bool is_white_space(char32_t code_point) {
  return u_isUWhiteSpace(static_cast<UChar32>(code_point)) != 0;
}

struct NfcNormalizer::Parts {
  icu::UnicodeSet known_characters;
  std::unique_ptr<icu::FilteredNormalizer2> normalizer;
};

NfcNormalizer::NfcNormalizer() : parts_(std::make_unique<Parts>()) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* newest = icu::Normalizer2::getNFCInstance(status);
  parts_->known_characters.applyPattern(icu::UnicodeString("[:age=9.0:]"), status);
  check_icu(status);
  parts_->known_characters.freeze();
  parts_->normalizer = std::make_unique<icu::FilteredNormalizer2>(*newest, parts_->known_characters);
}

NfcNormalizer::~NfcNormalizer() = default;
NfcNormalizer::NfcNormalizer(NfcNormalizer&&) noexcept = default;

std::string NfcNormalizer::normalize(std::string_view text) const {
  UErrorCode status = U_ZERO_ERROR;
  std::string normalized;
  icu::StringByteSink<std::string> sink(&normalized);
  const icu::StringPiece piece(text.data(), static_cast<std::int32_t>(text.size()));
  parts_->normalizer->normalizeUTF8(0, piece, sink, nullptr, status);
  check_icu(status);
  return normalized;
}

std::size_t NfcNormalizer::last_boundary(std::string_view text) const {
  for (std::size_t position = text.size(); position-- > 1;) {
    if ((static_cast<unsigned char>(text[position]) & 0xC0U) == 0x80U) continue;
    const auto character = static_cast<UChar32>(read_utf8(text, position).code_point);
    if (parts_->normalizer->hasBoundaryBefore(character)) return position;
  }
  return 0;
}

ByteAlphabet::ByteAlphabet() {
  byte_of_character_.fill(-1);
  std::size_t next = 256;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    byte_of_character_[printable ? byte : next++] = static_cast<std::int16_t>(byte);
  }
}

std::optional<std::string> ByteAlphabet::bytes_of(std::string_view token) const {
  std::string bytes;
  for (std::size_t position = 0; position < token.size();) {
    const Utf8Step step = read_utf8(token, position);
    if (!step.valid || step.code_point >= byte_of_character_.size()) return std::nullopt;
    const std::int16_t byte = byte_of_character_[step.code_point];
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
    position += step.bytes;
  }
  return bytes;
}

}  // namespace cce
