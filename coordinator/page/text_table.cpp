#include "coordinator/page/text_table.h"

#include <algorithm>

namespace cce {

std::size_t code_points(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
  }));
}

std::string printable(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool steers = byte < 0x20U || byte == 0x7FU;
    // U+0080 to U+009F, which some terminals obey, are 0xC2 and one byte below 0xA0.
    const bool steers_as_pair =
        byte == 0xC2U && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0U;
    if (steers || steers_as_pair) {
      text[i] = ' ';
    }
    if (steers_as_pair) {
      text[i + 1] = ' ';
    }
  }
  return text;
}

std::string text_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t column = 0; column < row.size(); ++column) {
      widths[column] = std::max(widths[column], code_points(row[column]));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string padding(widths[column] - code_points(row[column]), ' ');
      line.append(column == 0 ? row[column] : "  ").append(padding);
      line.append(column == 0 ? "" : row[column]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace cce
