#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/recipe/key_values.h"
#include "common/recipe/recipe_keys.h"

namespace cce {

/// The columns of a row that most keys leave as they are.
class KeyRow {
 public:
  explicit KeyRow(RecipeKey& key) : key_(key) {}

  KeyRow& says(std::string sentence) {
    key_.sentence = std::move(sentence);
    return *this;
  }
  /// What the number counts: it goes before its range.
  KeyRow& unit(const std::string& name) {
    key_.values.insert(0, name + ", ");
    return *this;
  }
  /// The default in words.
  KeyRow& defaults_to(std::string words, std::function<void(JobSpec&)> when_absent = {}) {
    key_.default_words = std::move(words);
    key_.when_absent = std::move(when_absent);
    return *this;
  }
  /// In place of the stages that the section's keys decide.
  KeyRow& decides(std::vector<Stage> stages) {
    key_.decides = std::move(stages);
    return *this;
  }
  KeyRow& required() {
    key_.required = true;
    key_.schema["minLength"] = 1;
    return *this;
  }
  KeyRow& filled_by_run() {
    key_.filled_by = FilledBy::run;
    return *this;
  }

 private:
  RecipeKey& key_;
};

/// Writes the rows of one section, whose settings are a member of JobSpec; for keys at the top `Settings` is
/// JobSpec itself. A method for each type of value: the member, what may stand there, and both directions.
template <typename Settings>
class KeySection {
 public:
  /// `decides`: the stages that its keys decide unless a row says otherwise.
  KeySection(std::string name, std::string sentence, Settings JobSpec::*settings, std::vector<Stage> decides)
      : settings_(settings), decides_(std::move(decides)) {
    section_.name = std::move(name);
    section_.sentence = std::move(sentence);
  }

  RecipeSection take() { return std::move(section_); }
  void check(std::function<void(JsonReader&, JobSpec&)> rule) { section_.check = std::move(rule); }

  KeyRow integer(const char* name, std::int64_t Settings::*member, IntegerRange range) {
    return field(
        name, member, form_of(range), [range](const JsonReader& value) { return value.integer(range); },
        same<std::int64_t>);
  }
  KeyRow number(const char* name, double Settings::*member, NumberRange range) {
    return field(
        name, member, form_of(range), [range](const JsonReader& value) { return value.number(range); },
        same<double>);
  }
  KeyRow boolean(const char* name, bool Settings::*member) {
    return field(
        name, member, {"`true`, `false`", {{"type", "boolean"}}},
        [](const JsonReader& value) { return value.boolean(); }, same<bool>);
  }
  /// One of a table's names.
  template <typename Value>
  KeyRow choice(const char* name, Value Settings::*member, const NameTable<Value>& table) {
    return field(
        name, member, form_of_names(names_of(table)),
        [&table](const JsonReader& value) { return value.choice(table); },
        [&table](Value value) { return OrderedJson(name_in(table, value)); });
  }
  /// One of these words.
  KeyRow word(const char* name, std::string Settings::*member, const std::vector<std::string>& words) {
    NameTable<std::string> table;
    for (const std::string& one : words) {
      table.emplace_back(one, one);
    }
    return field(
        name, member, form_of_names(words), [table](const JsonReader& value) { return value.choice(table); },
        same<std::string>);
  }
  /// Any text.
  KeyRow text(const char* name, std::string Settings::*member) {
    return field(
        name, member, {"text", {{"type", "string"}}}, [](const JsonReader& value) { return value.text(); },
        same<std::string>);
  }
  /// A text that is not empty, or none.
  KeyRow name(const char* name, std::optional<std::string> Settings::*member) {
    return field(name, member, {"text", {{"type", "string"}, {"minLength", 1}}}, read_not_empty,
                 [](const std::optional<std::string>& value) {
                   return value ? OrderedJson(*value) : OrderedJson(nullptr);
                 });
  }
  KeyRow names(const char* name, std::vector<std::string> Settings::*member) {
    const auto read = [](const JsonReader& list) {
      std::vector<std::string> values;
      for (const JsonReader& item : list.items()) {
        values.push_back(read_not_empty(item));
      }
      return values;
    };
    return field(name, member, {"a list of texts", {{"type", "array"}, {"items", {{"type", "string"}}}}},
                 read, same<std::vector<std::string>>);
  }
  /// `printed_if_empty`: what spec.json has where there is no path.
  KeyRow path(const char* name, std::string Settings::*member, KeyPath kind, const char* words,
              OrderedJson printed_if_empty = "") {
    KeyRow row = field(
        name, member, {words, {{"type", "string"}}}, [](const JsonReader& value) { return value.text(); },
        [printed_if_empty](const std::string& value) {
          return value.empty() ? printed_if_empty : OrderedJson(value);
        });
    section_.keys.back().path = kind;
    return row;
  }
  KeyRow path(const char* key, std::optional<std::string> Settings::*member, KeyPath kind,
              const char* words) {
    KeyRow row = name(key, member);
    section_.keys.back().path = kind;
    section_.keys.back().values = words;
    return row;
  }
  KeyRow texts(const char* name, std::vector<TextSource> Settings::*member) {
    KeyRow row = field(name, member, form_of_texts(), read_texts, print_texts);
    section_.keys.back().path = KeyPath::texts;
    return row;
  }
  /// "auto", which leaves the member as it is, or a value.
  template <typename Value, typename Read>
  KeyRow or_auto(const char* name, std::optional<Value> Settings::*member, const ValueForm& form, Read read) {
    return field(
        name, member, auto_or(form),
        [read](const JsonReader& value) {
          return is_auto(value) ? std::nullopt : std::optional<Value>(read(value));
        },
        [](const std::optional<Value>& value) { return value ? OrderedJson(*value) : OrderedJson("auto"); });
  }

  /// A member with its two directions.
  template <typename Value, typename Read, typename Print>
  KeyRow field(const char* name, Value Settings::*member, const ValueForm& form, Read read, Print print) {
    return row(
        name, form,
        [member, read](const JsonReader& value, Settings& settings) { settings.*member = read(value); },
        [member, print](const Settings& settings) -> std::optional<OrderedJson> {
          return OrderedJson(print(settings.*member));
        });
  }
  /// A key that is more than one member, or not always there.
  template <typename Read, typename Print>
  KeyRow row(const char* name, const ValueForm& form, Read read, Print print) {
    RecipeKey key;
    key.section = section_.name;
    key.name = name;
    key.values = form.words;
    key.schema = form.schema;
    key.decides = decides_;
    const auto settings = settings_;
    key.read = [read, settings](const JsonReader& value, JobSpec& spec) { read(value, of(spec, settings)); };
    key.print = [print, settings](const JobSpec& spec) { return print(of(spec, settings)); };
    section_.keys.push_back(std::move(key));
    return KeyRow(section_.keys.back());
  }

 private:
  template <typename Value>
  static OrderedJson same(const Value& value) {
    return value;
  }
  template <typename Spec>
  static auto& of(Spec& spec, Settings JobSpec::*settings) {
    if constexpr (std::is_same_v<Settings, JobSpec>) {
      return spec;
    } else {
      return spec.*settings;
    }
  }

  Settings JobSpec::*settings_;
  std::vector<Stage> decides_;
  RecipeSection section_;
};

}  // namespace cce
