#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/recipe/job_spec.h"
#include "common/recipe/name_table.h"

namespace cce {

/// What may stand at a key: in words for people, and as JSON Schema for programs.
struct ValueForm {
  std::string words;
  OrderedJson schema;
};

constexpr IntegerRange from_zero{.lowest = 0, .highest = 1LL << 40};
constexpr IntegerRange from_one{.lowest = 1, .highest = 1LL << 40};
constexpr NumberRange fraction{.lowest = 0.0, .highest = 1.0};
constexpr NumberRange learning_rates{.lowest = 0.0, .highest = 1.0, .above_lowest = true};
constexpr NumberRange not_negative{.lowest = 0.0, .highest = 1e9};

ValueForm form_of(IntegerRange range);
ValueForm form_of(NumberRange range);
ValueForm form_of_names(const std::vector<std::string>& names);
ValueForm form_of_bytes();
ValueForm form_of_texts();
/// The word "auto", or a value of the other form.
ValueForm auto_or(const ValueForm& form);

bool is_auto(const JsonReader& value);
/// Errors: out_of_range for an empty text.
std::string read_not_empty(const JsonReader& value);
/// A number of bytes, or text such as "1.5GiB". Errors: wrong_type, out_of_range.
std::int64_t read_bytes(const JsonReader& value);

/// One text or a list of texts: a path each, or {path, name, windows}. Errors: those of JsonReader;
/// out_of_range for two files of one name.
std::vector<TextSource> read_texts(const JsonReader& value);
OrderedJson print_texts(const std::vector<TextSource>& texts);

template <typename Value>
std::vector<std::string> names_of(const NameTable<Value>& table) {
  std::vector<std::string> names;
  for (const auto& [name, value] : table) {
    names.push_back(name);
  }
  return names;
}

/// A list of distinct names, in the order of their values. Errors: out_of_range, with the nearest name.
template <typename Value>
std::vector<Value> read_names(const JsonReader& list, const NameTable<Value>& table) {
  std::vector<Value> values;
  for (const JsonReader& item : list.items()) {
    const Value value = item.choice(table);
    if (std::find(values.begin(), values.end(), value) != values.end()) {
      item.refuse(ErrorCode::out_of_range, "each name once");
    }
    values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace cce
