#include "common/text/text_record.h"

#include <array>
#include <optional>
#include <vector>

#include "common/base/error.h"
#include "common/base/json_reader.h"

namespace cce {
namespace {

constexpr std::array<const char*, 2> text_keys = {"text", "content"};
constexpr std::array<const char*, 2> chat_keys = {"messages", "conversations"};

// Numbers that JSON has no word for, outside of strings, become null.
std::string with_nulls(std::string_view line) {
  std::string result;
  bool in_string = false;
  for (std::size_t i = 0; i < line.size();) {
    if (line[i] == '"') in_string = !in_string;
    if (in_string && line[i] == '\\' && i + 1 < line.size()) {
      result.append(line.substr(i, 2));
      i += 2;
      continue;
    }
    std::size_t word = 0;
    for (const std::string_view name : {"NaN", "-Infinity", "Infinity"}) {
      if (!in_string && word == 0 && line.substr(i).starts_with(name)) word = name.size();
    }
    result.append(word > 0 ? "null" : line.substr(i, 1));
    i += word > 0 ? word : 1;
  }
  return result;
}

Json parse_line(std::string_view line, const std::string& where) {
  const bool has_words =
      line.find("NaN") != std::string_view::npos || line.find("Infinity") != std::string_view::npos;
  return parse_json(has_words ? with_nulls(line) : std::string(line), where);
}

[[noreturn]] void refuse_keys(const JsonReader& record, const std::string& text_key) {
  std::string found = "the keys ";
  const std::vector<std::string> keys = record.keys();
  for (const std::string& key : keys) found += (&key == keys.data() ? "'" : ", '") + key + "'";
  throw Error{.code = ErrorCode::wrong_type,
              .where = record.where(),
              .found = keys.empty() ? "no key" : found,
              .expected = text_key.empty()
                              ? "the text under 'text' or 'content', or a chat under 'messages' or "
                                "'conversations'"
                              : "the key '" + text_key + "' (text_key)",
              .remedy = "Say in the recipe which key holds the text, as {path: FILE, text_key: " +
                        (keys.empty() ? std::string("KEY") : keys.front()) + "}"};
}

}  // namespace

TextRecord parse_text_record(std::string_view line, const std::string& text_key, const std::string& where) {
  const Json document = parse_line(line, where);
  if (!document.is_object()) JsonReader(document, where).refuse(ErrorCode::wrong_type, "an object");
  const auto record_of = [&](const std::string& key) -> std::optional<TextRecord> {
    const auto found = document.find(key);
    if (found == document.end()) return std::nullopt;
    if (found->is_null()) return TextRecord{};
    if (found->is_array()) return TextRecord{.kind = TextRecord::Kind::chat, .text = ""};
    return TextRecord{.kind = TextRecord::Kind::text, .text = JsonReader(*found, where, key).text()};
  };
  if (!text_key.empty()) {
    if (auto record = record_of(text_key)) return *record;
    refuse_keys(JsonReader(document, where), text_key);
  }
  for (const char* key : text_keys) {
    if (auto record = record_of(key)) return *record;
  }
  for (const char* key : chat_keys) {
    if (auto record = record_of(key)) return *record;
  }
  refuse_keys(JsonReader(document, where), text_key);
}

}  // namespace cce
