#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <regex>
#include <sstream>
#include <vector>

#include "common/base/json_writer.h"
#include "common/recipe/recipe_keys.h"
#include "coordinator/recipe/recipe.h"

namespace cce {
namespace {

constexpr std::size_t max_recipe_bytes = std::size_t{1} << 20;
constexpr std::size_t max_depth = 32;

Json integer_value(const std::string& digits, int base, bool negative) {
  std::uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  const std::uint64_t limit = std::uint64_t{1} << 62;  // beyond every size in a recipe; the sign always fits
  if (error != std::errc() || end != digits.data() + digits.size() || magnitude > limit) {
    return nullptr;
  }
  const auto value = static_cast<std::int64_t>(magnitude);
  return negative ? -value : value;
}

/// The core schema's reading of a plain scalar.
Json plain_value(const std::string& text) {
  static const std::regex integer("([-+]?)([0-9]+)");
  static const std::regex prefixed("0(x|o)([0-9a-fA-F]+)");
  static const std::regex real("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?");
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return nullptr;
  }
  if (text == "true" || text == "True" || text == "TRUE") {
    return true;
  }
  if (text == "false" || text == "False" || text == "FALSE") {
    return false;
  }
  if (text.size() > 64) {  // no number is longer, and std::regex recurses by character
    return text;
  }
  std::smatch match;
  if (std::regex_match(text, match, integer)) {
    const Json value = integer_value(match[2], 10, match[1] == "-");
    return value.is_null() ? Json(text) : value;
  }
  if (std::regex_match(text, match, prefixed)) {
    const Json value = integer_value(match[2], match[1] == "x" ? 16 : 8, false);
    return value.is_null() ? Json(text) : value;
  }
  if (std::regex_match(text, real)) {
    const char* first = text.data() + (text[0] == '+' ? 1 : 0);
    double value = 0.0;
    const auto [end, error] = std::from_chars(first, text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size() && std::isfinite(value)) {
      return value;
    }
  }
  return text;
}

/// Builds JSON from the parser's events. Events, not nodes: only they show duplicate keys, aliases and tags.
class JsonBuilder : public YAML::EventHandler {
 public:
  explicit JsonBuilder(std::string source) : source_(std::move(source)) {}
  Json take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add(mark, nullptr);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(ErrorCode::unsupported, mark, "an alias (*name)", "plain values", "Write the value out.");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    const bool is_text = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (!is_text && !tag.empty() && tag != "?") {
      refuse(ErrorCode::unsupported, mark, "the tag " + tag, "plain values", "Remove the tag.");
    }
    Json scalar = is_text ? Json(value) : plain_value(value);
    if (expects_key()) {
      take_key(mark, scalar, value);
    } else {
      add(mark, std::move(scalar));
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Json::array());
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Json::object());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Json value;
    std::string key;
    bool has_key = false;
  };

  bool expects_key() const {
    return !levels_.empty() && levels_.back().value.is_object() && !levels_.back().has_key;
  }

  std::string path() const {
    std::string text;
    for (const Level& level : levels_) {
      if (level.value.is_array()) {
        text.append("[").append(std::to_string(level.value.size())).append("]");
      } else if (level.has_key) {
        text.append(text.empty() ? "" : ".").append(level.key);
      }
    }
    return text;
  }

  [[noreturn]] void refuse(ErrorCode code, const YAML::Mark& mark, std::string found, std::string expected,
                           std::string remedy) const {
    const std::string key_path = path();
    std::string where = source_ + " line " + std::to_string(mark.line + 1);
    throw Error{.code = code,
                .where = where.append(key_path.empty() ? "" : ": ").append(key_path),
                .found = std::move(found),
                .expected = std::move(expected),
                .remedy = std::move(remedy)};
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor != 0) {
      refuse(ErrorCode::unsupported, mark, "an anchor (&name)", "plain values", "Write the value out.");
    }
  }

  void take_key(const YAML::Mark& mark, const Json& key, const std::string& text) {
    if (!key.is_string()) {
      refuse(ErrorCode::malformed_file, mark, "the key " + text, "a name", "Keys of a recipe are names.");
    }
    if (levels_.back().value.contains(text)) {
      refuse(ErrorCode::malformed_file, mark, "the key '" + text + "' a second time", "each key once",
             "Keep one of the two.");
    }
    levels_.back().key = text;
    levels_.back().has_key = true;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Json empty) {
    refuse_anchor(mark, anchor);
    if (expects_key()) {
      refuse(ErrorCode::malformed_file, mark, "a list or map as a key", "a name",
             "Keys of a recipe are names.");
    }
    if (!tag.empty() && tag != "?") {
      refuse(ErrorCode::unsupported, mark, "the tag " + tag, "plain values", "Remove the tag.");
    }
    if (levels_.size() >= max_depth) {
      refuse(ErrorCode::malformed_file, mark, "deeper nesting", "at most 32 levels",
             "Flatten the recipe: no key needs that many levels.");
    }
    levels_.push_back({.value = std::move(empty), .key = {}, .has_key = false});
  }

  void close() {
    Json value = std::move(levels_.back().value);
    levels_.pop_back();
    add(YAML::Mark::null_mark(), std::move(value));
  }

  void add(const YAML::Mark& mark, Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
    } else if (levels_.back().value.is_array()) {
      levels_.back().value.push_back(std::move(value));
    } else if (levels_.back().has_key) {
      levels_.back().value[levels_.back().key] = std::move(value);
      levels_.back().has_key = false;
    } else {
      take_key(mark, value, "null");
    }
  }

  std::string source_;
  Json root_;
  std::vector<Level> levels_;
};

void emit(YAML::Emitter& out, const OrderedJson& value) {
  if (value.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [key, member] : value.items()) {
      out << YAML::Key << key << YAML::Value;
      emit(out, member);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    const bool plain =
        std::none_of(value.begin(), value.end(), [](const auto& item) { return item.is_structured(); });
    out << (plain ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
    for (const OrderedJson& item : value) {
      emit(out, item);
    }
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const bool ambiguous = !plain_value(text).is_string() || text.find(':') != std::string::npos;
    if (ambiguous) {
      out << YAML::DoubleQuoted;
    }
    out << text;
  } else if (value.is_null()) {
    out << YAML::Null;
  } else {
    out << value.dump();
  }
}

}  // namespace

std::string recipe_yaml(const JobSpec& spec) {
  OrderedJson recipe = OrderedJson::parse(to_json(spec));
  for (const RecipeKey* key : recipe_keys()) {
    if (key->filled_by == FilledBy::run) {
      (key->section.empty() ? recipe : recipe[key->section]).erase(key->name);
    }
  }
  YAML::Emitter out;
  emit(out, recipe);
  return std::string(out.c_str()) + "\n";
}

Json parse_yaml(std::string_view yaml_text, const std::string& source) {
  if (yaml_text.size() > max_recipe_bytes) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = source,
                .found = std::to_string(yaml_text.size()) + " bytes",
                .expected = "at most 1 MiB",
                .remedy = "A recipe is a short text file; is this the right one?"};
  }
  std::istringstream stream{std::string(yaml_text)};
  JsonBuilder builder(source);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) {
      return nullptr;
    }
    JsonBuilder rest(source);
    if (parser.HandleNextDocument(rest)) {
      throw Error{.code = ErrorCode::malformed_file,
                  .where = source,
                  .found = "a second document (---)",
                  .expected = "one recipe per file",
                  .remedy = "Move it to a file of its own."};
    }
  } catch (const YAML::Exception& exception) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = source + " line " + std::to_string(exception.mark.line + 1) + " column " +
                         std::to_string(exception.mark.column + 1),
                .found = exception.msg,
                .expected = "YAML",
                .remedy = "A value that ends with ':' or starts with a special character needs quotes."};
  }
  return builder.take();
}

}  // namespace cce
