#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// What a key's value has to do with the file system. Relative paths are anchored at the recipe's folder, and
/// a server lets through only those below its roots.
enum class KeyPath {
  none,
  existing,  ///< a file or folder that is read
  writable,  ///< a folder that is written
  texts,     ///< text files: a path, {path, …}, or a list of these
};

enum class FilledBy { user, run };

/// One key of the recipe: all that the program knows about it.
struct RecipeKey {
  std::string section, name;  ///< "finetune", "clip"; a key at the top has no section
  std::string values;         ///< what may stand there, in words
  OrderedJson schema;         ///< the same as JSON Schema; null counts as absent and is not in it
  std::string sentence;       ///< what it does
  std::string default_words;  ///< where the default is not one value; empty: as a default JobSpec prints it
  KeyPath path = KeyPath::none;
  FilledBy filled_by = FilledBy::user;
  bool required = false;
  std::vector<Stage> decides;  ///< stages whose results depend on its value

  std::function<void(const JsonReader& value, JobSpec& spec)> read;
  std::function<void(JobSpec& spec)> when_absent;  ///< where the default depends on other keys; may be empty
  /// Its value in spec.json; std::nullopt where it is left out (the targets that a job does not have).
  std::function<std::optional<OrderedJson>(const JobSpec& spec)> print;

  /// "finetune.clip"
  std::string key_path() const;
};

/// Keys that stand together. Those at the top come in several groups, so that the order is spec.json's.
struct RecipeSection {
  std::string name;      ///< empty: keys at the top
  std::string sentence;  ///< what they are about
  std::vector<RecipeKey> keys;
  /// After the keys of a section that is there: what they must be together. May be empty.
  std::function<void(JsonReader& section, JobSpec& spec)> check;
};

/// Every key, in the order of spec.json. Reading (parse_job_spec), writing (to_json), --set, the anchoring of
/// relative paths, the server's fence, the keys that recipes may not have, openapi's Recipe and
/// docs/recipe.md are read off this table: a key is a row here and a member of JobSpec.
const std::vector<RecipeSection>& recipe_sections();

/// The same in one list; pointers live as long as the program.
std::vector<const RecipeKey*> recipe_keys();

/// The keys whose values a stage's result depends on, beside what it takes over from the stages before it. Of a
/// path it is what lies there that counts. Not among them: the model's digest, and of analyze whether the
/// target is a threshold and whether blocks or layers may go.
std::vector<const RecipeKey*> decides(Stage stage);

/// Gets a path of a recipe, which it may replace, and the path's place ("calibration.text[0].path").
using PathVisitor = std::function<void(std::string& path, KeyPath kind, const std::string& where)>;

/// Calls `visit` for every path in a recipe that is not empty. Values of other types are left for
/// parse_job_spec to refuse.
void visit_paths(Json& recipe, const PathVisitor& visit);

}  // namespace cce
