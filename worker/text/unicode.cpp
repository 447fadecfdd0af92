#include "worker/text/unicode.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>

#include "common/base/error.h"

namespace cce {
namespace {

void check_icu(UErrorCode status) {
  if (U_SUCCESS(status)) return;
  throw Error{.code = ErrorCode::unsupported,
              .where = "tokenizer, normalizer NFC",
              .found = u_errorName(status),
              .expected = "text that ICU can normalize",
              .remedy = "Check the ICU installation, or split the text into smaller files"};
}

}  // namespace

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
