#include "common/base/json_reader.h"

#include <algorithm>

#include "common/base/number_format.h"

namespace cce {
namespace {

std::string line_and_column(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t line_start = before.rfind('\n');
  const std::size_t column =
      line_start == std::string_view::npos ? before.size() : before.size() - line_start - 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

/// Builds the document from the parser's events, so that duplicate keys and deep nesting are refused as they
/// are met.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  StrictBuilder(std::string_view text, std::string source, int max_depth)
      : text_(text), source_(std::move(source)), max_depth_(static_cast<std::size_t>(max_depth)) {}

  Json take() { return std::move(root_); }

  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(number_integer_t value) override { return add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add(Json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return add(Json(value)); }
  bool string(string_t& value) override { return add(Json(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Level& level = open_.back();
    level.key = name;
    const auto [slot, is_new] = level.value->get_ref<Json::object_t&>().emplace(name, Json());
    if (!is_new) {
      throw Error{.code = ErrorCode::malformed_file,
                  .where = source_ + ": " + path(),
                  .found = "the key '" + name + "' twice in one object",
                  .expected = "each key once",
                  .remedy = "Remove one of the two"};
    }
    level.slot = &slot->second;
    return true;
  }

  bool parse_error(std::size_t byte, const std::string&,
                   const nlohmann::detail::exception& failure) override {
    const bool too_large = dynamic_cast<const Json::out_of_range*>(&failure) != nullptr;
    throw Error{.code = ErrorCode::malformed_file,
                .where = source_ + ", " + line_and_column(text_, byte),
                .found = text_.empty() ? "an empty document"
                         : too_large   ? "a number beyond the range of a 64-bit float"
                                       : "text that is not JSON",
                .expected = "one JSON document",
                .remedy = "Mend the text at that place."};
  }

 private:
  struct Level {
    Json* value;      // the open object or array
    Json* slot;       // where the next member goes, in an object
    std::string key;  // the latest key, in an object
  };

  Json& place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return root_;
    }
    Level& level = open_.back();
    if (level.value->is_array()) {
      level.value->push_back(std::move(value));
      return level.value->back();
    }
    *level.slot = std::move(value);
    return *level.slot;
  }

  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json value) {
    if (open_.size() >= max_depth_) {
      throw Error{.code = ErrorCode::malformed_file,
                  .where = source_ + ": " + path(),
                  .found = "values nested deeper than " + std::to_string(max_depth_) + " levels",
                  .expected = "at most " + std::to_string(max_depth_) + " levels",
                  .remedy = "Flatten the document: nothing that CCE reads is that deep."};
    }
    Json& placed = place(std::move(value));
    open_.push_back({.value = &placed, .slot = nullptr, .key = ""});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string path() const {
    std::string text;
    for (const Level& level : open_) {
      // An open inner value already stands in its list; a value that is about to be added does not.
      const std::size_t index = level.value->size() - (&level == &open_.back() ? 0 : 1);
      text +=
          level.value->is_array() ? "[" + std::to_string(index) + "]" : (text.empty() ? "" : ".") + level.key;
    }
    return text;
  }

  std::string_view text_;
  std::string source_;
  std::size_t max_depth_;
  std::vector<Level> open_;
  Json root_;
};

std::string shortened(const Json& value) {
  constexpr std::size_t longest = 80;
  if (value.is_object()) {
    return "an object";
  }
  if (value.is_array()) {
    return "a list of " + std::to_string(value.size());
  }
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > longest) {
    text = text.substr(0, longest) + "...";
  }
  return text;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& source, int max_depth) {
  StrictBuilder builder(text, source, max_depth);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

JsonReader::JsonReader(const Json& value, std::string source, std::string path)
    : value_(&value), source_(std::move(source)), path_(std::move(path)) {}

std::string JsonReader::where() const {
  return path_.empty() ? source_ : source_ + ": " + path_;
}

void JsonReader::refuse(ErrorCode code, const std::string& expected, const std::string& remedy) const {
  throw Error{
      .code = code, .where = where(), .found = shortened(*value_), .expected = expected, .remedy = remedy};
}

void JsonReader::refuse_name(const std::string& name, const std::vector<std::string>& names) const {
  refuse(ErrorCode::out_of_range, "one of " + join_names(names), did_you_mean(name, names));
}

std::string JsonReader::text() const {
  if (!value_->is_string()) {
    refuse(ErrorCode::wrong_type, "a text");
  }
  return value_->get<std::string>();
}

bool JsonReader::boolean() const {
  if (!value_->is_boolean()) {
    refuse(ErrorCode::wrong_type, "true or false");
  }
  return value_->get<bool>();
}

std::int64_t JsonReader::integer(IntegerRange range) const {
  if (!value_->is_number_integer()) {
    refuse(ErrorCode::wrong_type, "a whole number");
  }
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const bool too_large = value_->is_number_unsigned() && value_->get<std::uint64_t>() > largest;
  const std::int64_t found = too_large ? 0 : value_->get<std::int64_t>();
  if (too_large || found < range.lowest || found > range.highest) {
    const bool open_ended = range.highest == std::numeric_limits<std::int64_t>::max();
    refuse(ErrorCode::out_of_range,
           open_ended ? "at least " + std::to_string(range.lowest)
                      : "between " + std::to_string(range.lowest) + " and " + std::to_string(range.highest));
  }
  return found;
}

double JsonReader::number(NumberRange range) const {
  if (!value_->is_number()) {
    refuse(ErrorCode::wrong_type, "a number");
  }
  const double found = value_->get<double>();
  const bool too_low = range.above_lowest ? found <= range.lowest : found < range.lowest;
  if (too_low || found > range.highest) {
    const std::string lower = (range.above_lowest ? "above " : "at least ") + format_number(range.lowest);
    const std::string upper = "at most " + format_number(range.highest);
    const bool bounded_below = range.lowest > -std::numeric_limits<double>::infinity();
    const bool bounded_above = range.highest < std::numeric_limits<double>::infinity();
    refuse(ErrorCode::out_of_range, bounded_below && bounded_above ? lower + " and " + upper
                                    : bounded_below                ? lower
                                                                   : upper);
  }
  return found;
}

std::vector<JsonReader> JsonReader::items() const {
  if (!value_->is_array()) {
    refuse(ErrorCode::wrong_type, "a list");
  }
  std::vector<JsonReader> readers;
  readers.reserve(value_->size());
  for (std::size_t i = 0; i < value_->size(); ++i) {
    readers.emplace_back((*value_)[i], source_, path_ + "[" + std::to_string(i) + "]");
  }
  return readers;
}

std::vector<std::int64_t> JsonReader::integers(IntegerRange range) const {
  std::vector<std::int64_t> found;
  for (const JsonReader& item : items()) {
    found.push_back(item.integer(range));
  }
  return found;
}

std::vector<double> JsonReader::numbers(NumberRange range) const {
  std::vector<double> found;
  for (const JsonReader& item : items()) {
    found.push_back(item.number(range));
  }
  return found;
}

std::vector<std::string> JsonReader::texts() const {
  std::vector<std::string> found;
  for (const JsonReader& item : items()) {
    found.push_back(item.text());
  }
  return found;
}

JsonReader JsonReader::member(const std::string& key) const {
  return JsonReader(value_->at(key), source_, path_.empty() ? key : path_ + "." + key);
}

bool JsonReader::has(const std::string& key) {
  if (!value_->is_object()) {
    refuse(ErrorCode::wrong_type, "an object");
  }
  known_keys_.insert(key);
  const auto found = value_->find(key);
  return found != value_->end() && !found->is_null();
}

JsonReader JsonReader::required(const std::string& key) {
  if (!has(key)) {
    throw Error{.code = ErrorCode::wrong_type,
                .where = source_ + ": " + (path_.empty() ? key : path_ + "." + key),
                .found = "nothing",
                .expected = "this key, which has no default",
                .remedy = did_you_mean(key, keys())};
  }
  return member(key);
}

std::optional<JsonReader> JsonReader::optional(const std::string& key) {
  if (!has(key)) {
    return std::nullopt;
  }
  return member(key);
}

std::int64_t JsonReader::integer_or(const std::string& key, std::int64_t otherwise, IntegerRange range) {
  return has(key) ? member(key).integer(range) : otherwise;
}

double JsonReader::number_or(const std::string& key, double otherwise, NumberRange range) {
  return has(key) ? member(key).number(range) : otherwise;
}

bool JsonReader::boolean_or(const std::string& key, bool otherwise) {
  return has(key) ? member(key).boolean() : otherwise;
}

std::string JsonReader::text_or(const std::string& key, const std::string& otherwise) {
  return has(key) ? member(key).text() : otherwise;
}

std::vector<std::string> JsonReader::keys() const {
  std::vector<std::string> names;
  if (value_->is_object()) {
    for (const auto& entry : value_->items()) {
      names.push_back(entry.key());
    }
  }
  return names;
}

void JsonReader::refuse_unknown_keys() const {
  for (const std::string& key : keys()) {
    if (known_keys_.count(key) == 0) {
      const std::vector<std::string> known(known_keys_.begin(), known_keys_.end());
      throw Error{.code = ErrorCode::unknown_key,
                  .where = source_ + ": " + (path_.empty() ? key : path_ + "." + key),
                  .found = "the key '" + key + "'",
                  .expected = "one of " + join_names(known),
                  .remedy = did_you_mean(key, known)};
    }
  }
}

}  // namespace cce
