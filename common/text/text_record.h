#pragma once
#include <string>
#include <string_view>

namespace cce {

/// One record of a data set, as far as it is text.
struct TextRecord {
  enum class Kind {
    text,
    nothing,  ///< null, or NaN as pandas writes what is missing
    chat      ///< turns of a conversation, which only the model's chat template makes a text of
  };
  Kind kind = Kind::nothing;
  std::string text;
};

/// Reads a line of JSON. The text stands under `text_key`; where that is empty, under "text", else "content",
/// else the turns of a chat under "messages" or "conversations". NaN and Infinity, which Python's json writes,
/// count as null. `where` names the line. Errors: malformed_file; wrong_type with the keys that are there
/// where none of these is.
TextRecord parse_text_record(std::string_view line, const std::string& text_key, const std::string& where);

}  // namespace cce
