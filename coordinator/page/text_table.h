#pragma once
#include <string>
#include <vector>

namespace cce {

/// Columns of a terminal's table, widths counted in code points; the first column is left-aligned, the others
/// right. Rows shorter than the first are padded. Trailing spaces are cut.
std::string text_table(const std::vector<std::vector<std::string>>& rows);

/// What ends up in a person's terminal must not steer it: control characters become spaces.
std::string printable(std::string text);

/// Code points of a UTF-8 text: its width on a terminal for the scripts used here.
std::size_t code_points(const std::string& text);

}  // namespace cce
