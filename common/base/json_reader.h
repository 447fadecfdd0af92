#pragma once
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/base/nearest_name.h"

namespace cce {

using Json = nlohmann::json;

/// Parses one strict JSON document: no comments, no trailing text, no NaN, valid UTF-8.
/// Refuses duplicate keys (with their path) and nesting deeper than `max_depth`.
/// `source` names the document in errors. Errors: malformed_file (line and column).
Json parse_json(std::string_view text, const std::string& source, int max_depth = 64);

struct IntegerRange {
  std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  std::int64_t highest = std::numeric_limits<std::int64_t>::max();
};

/// Closed on both sides unless `above_lowest` (lowest itself excluded).
struct NumberRange {
  double lowest = -std::numeric_limits<double>::infinity();
  double highest = std::numeric_limits<double>::infinity();
  bool above_lowest = false;
};

/// A view of one value in a parsed document that knows its key path, so that every refusal says where
/// ("recipe.yaml: calibration.text[0].path"), what was found and what is allowed.
/// It refers to the document and must not outlive it. A null member counts as absent. Not thread-safe.
/// Errors: wrong_type (also for a missing key), out_of_range, unknown_key.
class JsonReader {
 public:
  JsonReader(const Json& value, std::string source, std::string path = "");

  /// "SOURCE: PATH", or "SOURCE" at the root.
  std::string where() const;
  const Json& json() const { return *value_; }
  bool is_object() const { return value_->is_object(); }
  bool is_array() const { return value_->is_array(); }
  bool is_string() const { return value_->is_string(); }
  bool is_number() const { return value_->is_number(); }

  // This value, checked.
  std::string text() const;
  bool boolean() const;
  std::int64_t integer(IntegerRange range = {}) const;
  double number(NumberRange range = {}) const;
  std::vector<JsonReader> items() const;
  std::vector<std::int64_t> integers(IntegerRange range = {}) const;
  std::vector<double> numbers(NumberRange range = {}) const;
  std::vector<std::string> texts() const;

  // Members of an object. Asking for a key, present or not, makes it a known one.
  bool has(const std::string& key);
  JsonReader required(const std::string& key);
  std::optional<JsonReader> optional(const std::string& key);
  std::int64_t integer_or(const std::string& key, std::int64_t otherwise, IntegerRange range = {});
  double number_or(const std::string& key, double otherwise, NumberRange range = {});
  bool boolean_or(const std::string& key, bool otherwise);
  std::string text_or(const std::string& key, const std::string& otherwise);
  std::vector<std::string> keys() const;

  /// Refuses every key that was never asked for, naming the nearest known one. Call after all reading.
  void refuse_unknown_keys() const;

  /// One of a few names, each with its value. Errors: out_of_range with the nearest name.
  template <typename Value>
  Value choice(const std::vector<std::pair<std::string, Value>>& choices) const {
    const std::string name = text();
    std::vector<std::string> names;
    for (const auto& [known_name, value] : choices) {
      if (name == known_name) {
        return value;
      }
      names.push_back(known_name);
    }
    refuse_name(name, names);
  }
  template <typename Value>
  Value choice_or(const std::string& key, Value otherwise,
                  const std::vector<std::pair<std::string, Value>>& choices) {
    const std::optional<JsonReader> member = optional(key);
    return member ? member->choice(choices) : otherwise;
  }

  /// Throws `code` at this value's path, with a short form of the value as what was found.
  [[noreturn]] void refuse(ErrorCode code, const std::string& expected, const std::string& remedy = "") const;

 private:
  [[noreturn]] void refuse_name(const std::string& name, const std::vector<std::string>& names) const;
  JsonReader member(const std::string& key) const;

  const Json* value_;
  std::string source_, path_;
  std::set<std::string> known_keys_;
};

}  // namespace cce
