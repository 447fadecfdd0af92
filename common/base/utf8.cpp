#include "common/base/utf8.h"

#include <cstdint>
#include <cstring>

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

}  // namespace cce
