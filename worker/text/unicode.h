#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/utf8.h"

namespace cce {

/// The token that stands for a byte where a vocabulary falls back to bytes: "<0x0A>".
std::string byte_token(unsigned char byte);

/// Characters of \w and \s in the regular expressions that Hugging Face uses around added tokens (Unicode TR
/// 18).
bool is_word_character(char32_t code_point);
bool is_white_space(char32_t code_point);

/// Unicode normalization form C as Hugging Face tokenizers computes it: with the data of Unicode 9.0, so that
/// code points assigned later stay where they are. Immutable: threads may share it.
class NfcNormalizer {
 public:
  /// Errors: unsupported where ICU lacks its data.
  NfcNormalizer();
  ~NfcNormalizer();
  NfcNormalizer(NfcNormalizer&&) noexcept;

  /// `text` is valid UTF-8 below 2 GiB. Errors: unsupported with ICU's message.
  std::string normalize(std::string_view text) const;

  /// The last place in a valid text, not at its end, before which it can be cut: both parts normalized give
  /// what the whole gives. 0 where there is none.
  std::size_t last_boundary(std::string_view text) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// GPT-2's alphabet: each byte is shown as one printable character (itself where that prints, else from
/// U+0100 on). Immutable: threads may share it.
class ByteAlphabet {
 public:
  ByteAlphabet();
  /// The bytes that a token's text stands for; nothing when some character is not of the alphabet.
  std::optional<std::string> bytes_of(std::string_view token) const;

 private:
  std::array<std::int16_t, 512> byte_of_character_;  ///< -1: not of the alphabet
};

}  // namespace cce
