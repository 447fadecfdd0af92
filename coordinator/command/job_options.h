#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/json_reader.h"
#include "common/recipe/job_spec.h"
#include "coordinator/scheduler/scheduler.h"

namespace CLI {
class App;
}

namespace cce {

/// Flags that put values into the recipe. Absent flags change nothing.
struct RecipeOptions {
  std::string source;  ///< the positional argument: a recipe's file or a model's folder
  std::string recipe;
  std::string model, output, from, format, teacher;
  std::vector<std::string> text, evaluation_text, structures, settings;
  std::optional<double> remove, max_seconds, learning_rate;
  std::optional<std::int64_t> seed, ranks, threads, length, sequences, max_tokens;
  std::string memory;
  bool keep_statistics = false;
  std::function<void(Json& recipe)> complete;  ///< the command's own defaults for keys that nobody set
};

/// Flags about how a job runs here, which no recipe holds.
struct RunOptions {
  std::string job, worker;
  Binding binding = Binding::automatic;
  double grace_seconds = 120.0;  ///< until a cancelled run is ended without a safe point
  bool json = false;
  bool quiet = false;
  bool force = false;
};

/// Which recipe flags a subcommand shows.
struct RecipeFlags {
  bool compression = true;  ///< target, structures, format, output
  bool calibration = true;  ///< sequences
};

void add_recipe_options(CLI::App& command, RecipeOptions& options, RecipeFlags flags);
/// `new_job`: the flag that says where the job goes.
void add_run_options(CLI::App& command, RunOptions& options, bool new_job = true);

/// The recipe's keys after the recipe file, then flags, then --set settings, with absolute paths and not
/// checked yet. Paths in flags are relative to `current_folder`. Where a kind of job holds out and the recipe
/// evaluates nothing, the last eight windows of each --text are kept out of calibration (or training) and
/// evaluated. Errors: those of read_recipe, apply_setting; impossible_combination for two models.
Json resolve_recipe(const RecipeOptions& options, JobKind kind, const std::filesystem::path& current_folder);

/// The job that this recipe describes, checked once. Errors: those of resolve_recipe, parse_job_spec,
/// check_combinations.
JobSpec resolve_job(const RecipeOptions& options, JobKind kind, const std::filesystem::path& current_folder);

}  // namespace cce
