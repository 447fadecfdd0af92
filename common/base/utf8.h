#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace cce {

constexpr std::size_t longest_utf8_bytes = 4;  ///< of a code point

/// One step through UTF-8: a valid code point, or the longest prefix of one that breaks off (at least one
/// byte).
struct Utf8Step {
  char32_t code_point = 0;
  std::size_t bytes = 0;
  bool valid = false;
};

/// Reads at `position` < text.size(). Overlong forms, surrogates and values above U+10FFFF are invalid.
Utf8Step read_utf8(std::string_view text, std::size_t position);

/// Byte offset of the first byte that is not valid UTF-8; nothing when all of it is.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

/// Replaces every broken sequence by U+FFFD, one for each maximal part, as Unicode recommends.
std::string replace_invalid_utf8(std::string_view bytes);

}  // namespace cce
