#include "coordinator/recipe/recipe_markdown.h"

#include "common/recipe/recipe_keys.h"

namespace cce {
namespace {

const char* const introduction =
    "# Recipe\n"
    "\n"
    "<!-- Written by `cce document recipe` from the table in common/recipe (recipe_table.cpp); a test "
    "compares. -->\n"
    "\n"
    "A recipe is one YAML file, such as [scripts/quickstart.yaml](../scripts/quickstart.yaml). Only `model` "
    "and a "
    "text in\n"
    "`calibration.text` are needed. Relative paths start at the recipe's folder. Flags and `--set KEY=VALUE` "
    "write "
    "the same\n"
    "keys and win; their paths start at the current folder. A key that is absent or null has its default. An "
    "unknown key, a\n"
    "wrong type, a value out of range or an impossible pair is refused before any work, with the key's path, "
    "what "
    "was found,\n"
    "what is allowed and the nearest known name.\n"
    "\n"
    "A text is a `.txt` file, a `.jsonl` file with one `{\"text\": …}` a line, or a token file "
    "(`.tokens.u16`, "
    "`.tokens.u32`). Its\n"
    "`windows` are FIRST:LAST as in Python, counted in windows of `calibration.length` tokens: \"0:32\", "
    "\"-48:\". "
    "Its `name` stands\n"
    "in tables; without one it is the file's name without its ending.\n"
    "\n"
    "The keys that begin with \"on a cluster\" are refused by name where jobs run on this machine.\n";

std::string default_of(const RecipeKey& key) {
  if (key.required) {
    return "";
  }
  if (!key.default_words.empty()) {
    return key.default_words;
  }
  const std::optional<OrderedJson> value = key.print(JobSpec());
  if (!value) {
    return "";
  }
  if (value->is_null() || value->empty() || (value->is_string() && value->get<std::string>().empty())) {
    return "none";
  }
  std::string words("`");
  words.append(value->is_string() ? value->get<std::string>() : compact_json(*value));
  return words.append("`");
}

void add_rows(const RecipeSection& section, std::string& text) {
  for (const RecipeKey& key : section.keys) {
    if (key.filled_by == FilledBy::user) {
      text.append("| `").append(key.key_path()).append("` | ").append(default_of(key));
      text.append(" | ").append(key.values).append(" | ").append(key.sentence).append(" |\n");
    }
  }
}

void add_heading(const std::string& title, const std::string& sentence, std::string& text) {
  text.append("\n## ").append(title).append("\n\n");
  if (!sentence.empty()) {
    text.append(sentence).append("\n\n");
  }
  text.append("| key | default | values | what |\n|---|---|---|---|\n");
}

}  // namespace

std::string recipe_markdown() {
  std::string text = introduction;
  add_heading("At the top", "", text);
  for (const RecipeSection& section : recipe_sections()) {
    if (section.name.empty()) {
      add_rows(section, text);
    }
  }
  for (const RecipeSection& section : recipe_sections()) {
    if (!section.name.empty()) {
      add_heading("`" + section.name + "`", section.sentence, text);
      add_rows(section, text);
    }
  }
  return text;
}

}  // namespace cce
