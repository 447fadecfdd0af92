#include "common/recipe/key_values.h"

#include <filesystem>
#include <limits>

#include "common/base/number_format.h"

namespace cce {
namespace {

/// Limits that only keep arithmetic safe are not worth a word.
constexpr std::int64_t largest_said = 1LL << 39;
constexpr double largest_number_said = 1e8;

/// "0:32", "-48:", ":16" or "5:" as in Python, without a step.
void read_windows(const JsonReader& value, TextSource& source) {
  constexpr const char* expected = "FIRST:LAST as in Python, such as 0:32, -48: or :16";
  const std::string text = value.text();
  const std::size_t colon = text.find(':');
  const auto bound = [&](const std::string& part) -> std::optional<std::int64_t> {
    if (part.empty()) {
      return std::nullopt;
    }
    const bool digits_only =
        part.find_first_not_of("0123456789", part[0] == '-' ? 1 : 0) == std::string::npos;
    if (!digits_only || part == "-" || part.size() > 12) {
      value.refuse(ErrorCode::out_of_range, expected);
    }
    return std::stoll(part);
  };
  if (colon == std::string::npos) {
    value.refuse(ErrorCode::out_of_range, expected);
  }
  source.first = bound(text.substr(0, colon)).value_or(0);
  source.last = bound(text.substr(colon + 1));
  const bool same_sign = source.last && (source.first < 0) == (*source.last < 0);
  if (same_sign && *source.last <= source.first) {
    value.refuse(ErrorCode::out_of_range, "a range that holds at least one window");
  }
}

TextSource read_text(JsonReader value) {
  TextSource source;
  if (value.is_string()) {
    source.path = read_not_empty(value);
  } else if (value.is_object()) {
    source.path = read_not_empty(value.required("path"));
    source.name = value.text_or("name", "");
    if (const std::optional<JsonReader> windows = value.optional("windows")) {
      read_windows(*windows, source);
    }
    if (const std::optional<JsonReader> key = value.optional("text_key"))
      source.text_key = read_not_empty(*key);
    value.refuse_unknown_keys();
  } else {
    value.refuse(ErrorCode::wrong_type, "a path, or {path, name, windows, text_key}");
  }
  if (source.name.empty()) {
    source.name = std::filesystem::path(source.path).stem().string();
  }
  return source;
}

}  // namespace

ValueForm form_of(IntegerRange range) {
  std::string words = "from ";
  words.append(std::to_string(range.lowest));
  if (range.highest < largest_said) {
    words.append(" to ").append(std::to_string(range.highest));
  }
  return {words, {{"type", "integer"}, {"minimum", range.lowest}, {"maximum", range.highest}}};
}

ValueForm form_of(NumberRange range) {
  std::string words = range.above_lowest ? "above " : "from ";
  words.append(format_number(range.lowest));
  if (range.highest < largest_number_said) {
    words.append(" to ").append(format_number(range.highest));
  }
  return {words,
          {{"type", "number"},
           {range.above_lowest ? "exclusiveMinimum" : "minimum", range.lowest},
           {"maximum", range.highest}}};
}

ValueForm form_of_names(const std::vector<std::string>& names) {
  std::string words;
  for (const std::string& name : names) {
    words.append(words.empty() ? "`" : ", `").append(name).append("`");
  }
  return {words, {{"enum", names}}};
}

ValueForm form_of_bytes() {
  return {"a number of bytes, or text such as 200MB or 1.5GiB", {{"type", {"integer", "string"}}}};
}

ValueForm form_of_texts() {
  const OrderedJson one{{"$ref", "#/components/schemas/TextSource"}};
  return {"a path, `{path, name, windows, text_key}`, or a list of these",
          {{"anyOf", OrderedJson::array({one, {{"type", "array"}, {"items", one}}})}}};
}

ValueForm auto_or(const ValueForm& form) {
  return {"`auto`, or " + form.words, {{"anyOf", OrderedJson::array({{{"const", "auto"}}, form.schema})}}};
}

bool is_auto(const JsonReader& value) {
  return value.is_string() && value.text() == "auto";
}

std::string read_not_empty(const JsonReader& value) {
  std::string text = value.text();
  if (text.empty()) {
    value.refuse(ErrorCode::out_of_range, "a text that is not empty");
  }
  return text;
}

std::int64_t read_bytes(const JsonReader& value) {
  return value.is_string() ? parse_bytes(value.text(), value.where()) : value.integer(from_one);
}

std::vector<TextSource> read_texts(const JsonReader& value) {
  if (!value.is_array()) {
    return {read_text(value)};
  }
  std::vector<TextSource> texts;
  for (const JsonReader& item : value.items()) {
    texts.push_back(read_text(item));
    for (std::size_t i = 0; i + 1 < texts.size(); ++i) {
      if (texts[i].name == texts.back().name && texts[i].path != texts.back().path) {
        item.refuse(ErrorCode::out_of_range, "names that differ; '" + texts[i].name + "' is already used",
                    "Give one of the two another name");
      }
    }
  }
  return texts;
}

OrderedJson print_texts(const std::vector<TextSource>& texts) {
  OrderedJson list = OrderedJson::array();
  for (const TextSource& source : texts) {
    const std::string last = source.last ? std::to_string(*source.last) : std::string();
    list.push_back({{"path", source.path},
                    {"name", source.name},
                    {"windows", std::to_string(source.first) + ":" + last}});
    if (!source.text_key.empty()) list.back()["text_key"] = source.text_key;
  }
  return list;
}

}  // namespace cce
