#include "coordinator/command/job_options.h"
#include "common/job/job_checks.h"
#include "common/model/format_rules.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "coordinator/recipe/recipe.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

const char* const held_out_windows = "-8:";
const char* const calibration_windows = ":-8";

/// Paths as a recipe's `text` list.
Json text_list(const std::vector<std::string>& paths, const char* windows) {
  Json list = Json::array();
  for (const std::string& path : paths) {
    list.push_back(windows == nullptr ? Json(path) : Json{{"path", path}, {"windows", windows}});
  }
  return list;
}

bool evaluates(const Json& recipe) {
  const Json none = Json::object();
  const Json& section = recipe.contains("evaluate") ? recipe["evaluate"] : none;
  return section.is_object() && section.contains("text") && !section["text"].empty();
}

void apply_texts(const RecipeOptions& options, const std::vector<Stage>& stages, Json& recipe) {
  const bool only_evaluates = stages.size() == 1 && stages[0] == Stage::evaluate;
  if (only_evaluates) {
    if (!options.text.empty()) {
      set_key(recipe, "evaluate.text", text_list(options.text, nullptr));
    }
    return;
  }
  if (!options.evaluation_text.empty()) {
    set_key(recipe, "evaluate.text", text_list(options.evaluation_text, nullptr));
  }
  if (!options.text.empty()) {
    const bool will_evaluate = std::find(stages.begin(), stages.end(), Stage::evaluate) != stages.end();
    const bool holds_out = will_evaluate && !evaluates(recipe);
    const bool only_trains = stages.front() == Stage::finetune;
    set_key(recipe, only_trains ? "finetune.text" : "calibration.text",
            text_list(options.text, holds_out ? calibration_windows : nullptr));
    if (holds_out) {
      set_key(recipe, "evaluate.text", text_list(options.text, held_out_windows));
    }
  }
}

template <typename Value>
void set_if(Json& recipe, const char* key, const std::optional<Value>& value) {
  if (value) {
    set_key(recipe, key, *value);
  }
}

void set_if_named(Json& recipe, const char* key, const std::string& value) {
  if (!value.empty()) {
    set_key(recipe, key, value);
  }
}

/// Flags as a recipe of their own: its paths are relative to the current folder, not to the recipe's.
void apply_flags(const RecipeOptions& options, const fs::path& current_folder, Json& recipe) {
  Json paths = Json::object();
  set_if_named(paths, "model", options.model);
  set_if_named(paths, "output", options.output);
  set_if_named(paths, "finetune.teacher", options.teacher);
  anchor_paths(paths, current_folder);
  for (const char* key : {"model", "output"}) {
    if (paths.contains(key)) {
      recipe[key] = paths[key];
    }
  }
  if (!options.teacher.empty()) {
    set_key(recipe, "finetune.teacher", paths["finetune"]["teacher"]);
  }
  set_if_named(recipe, "export.format", options.format);
  set_if(recipe, "seed", options.seed);
  set_if(recipe, "calibration.length", options.length);
  set_if(recipe, "calibration.sequences", options.sequences);
  if (options.keep_statistics) {
    set_key(recipe, "calibration.keep_statistics", true);
  }
  set_if(recipe, "resources.ranks", options.ranks);
  set_if(recipe, "resources.threads", options.threads);
  set_if_named(recipe, "resources.memory", options.memory);
  set_if(recipe, "target.remove_params", options.remove);
  if (options.structures.size() == 1 && options.structures[0] == "auto") {
    set_key(recipe, "structures", "auto");
  } else if (!options.structures.empty()) {
    set_key(recipe, "structures", options.structures);
  }
}

RecipeOptions with_absolute_texts(RecipeOptions options, const fs::path& current_folder) {
  for (std::vector<std::string>* list : {&options.text, &options.evaluation_text}) {
    for (std::string& path : *list) {
      path = (current_folder / path).lexically_normal().string();
    }
  }
  return options;
}

}  // namespace

void add_recipe_options(CLI::App& command, RecipeOptions& options, RecipeFlags flags) {
  if (flags.recipe_file) {
    command.add_option("RECIPE", options.recipe, "YAML recipe; flags below change its keys");
    command.add_option("--model", options.model, "Checkpoint to compress: a Hugging Face folder")
        ->type_name("DIR");
  } else {
    command.add_option("MODEL", options.model, "Checkpoint: a Hugging Face folder")->required();
  }
  command.add_option("--text", options.text, "Text: .txt, .jsonl or token files")->type_name("FILE...");
  if (flags.compression) {
    command
        .add_option("--eval-text", options.evaluation_text,
                    "Text to evaluate on [default: the last 8 windows of each --text, which calibration then "
                    "leaves out]")
        ->type_name("FILE...");
    command
        .add_option("--remove", options.remove, "Fraction of the blocks' parameters to remove [default: 0.3]")
        ->type_name("FRACTION");
    command
        .add_option("--structures", options.structures,
                    "What may shrink: ffn, vo, qk, kv_groups, blocks, layers [default: auto: " +
                        automatic_structures_text() + "]")
        ->type_name("NAME...");
    command
        .add_option("--format", options.format,
                    format_choices() + " [default: " + std::string(format_name({})) + "]")
        ->type_name("FORMAT");
    command.add_option("--out", options.output, "Folder for the result")->type_name("DIR");
  }
  command.add_option("--length", options.length, "Tokens of a window [default: 1024]")->type_name("TOKENS");
  if (flags.calibration) {
    command.add_option("--sequences", options.sequences, "Calibration windows [default: 64]")->type_name("N");
    command.add_flag("--keep-statistics", options.keep_statistics,
                     "Keep calibration's statistics in the job, for compress --from (0.7 GB for 135M "
                     "parameters)");
  }
  command.add_option("--seed", options.seed, "Seed of every random choice [default: 0]")->type_name("N");
  command.add_option("--ranks", options.ranks, "Worker processes [default: 2]")->type_name("N");
  command.add_option("--threads", options.threads, "Threads of each worker [default: cores / ranks]")
      ->type_name("N");
  command
      .add_option("--memory", options.memory,
                  "Memory of each worker, e.g. 8GiB [default: what is free / ranks]")
      ->type_name("SIZE");
  command.add_option("--set", options.settings, "Any key of the recipe, e.g. --set encode.ridge_lambda=0.1")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void add_run_options(CLI::App& command, RunOptions& options, bool new_job) {
  const std::map<std::string, Binding> bindings{
      {"auto", Binding::automatic}, {"cores", Binding::cores}, {"none", Binding::none}};
  if (new_job) {
    command
        .add_option("--job", options.job,
                    "Job directory [default: OUT.job beside the output, else ./cce-jobs/…]")
        ->type_name("DIR");
  }
  command
      .add_option("--bind", options.binding,
                  "Tie workers to cores: auto (if the machine is idle), cores, none")
      ->transform(CLI::CheckedTransformer(bindings))
      ->type_name("HOW");
  command.add_option("--worker", options.worker, "The cce-worker program [default: beside cce]")
      ->type_name("FILE");
  command.add_flag("--json", options.json, "Print the report as JSON on stdout, and nothing else there");
  command
      .add_option("--grace", options.grace_seconds, "Time to reach a safe point after Ctrl-C [default: 120]")
      ->check(CLI::PositiveNumber)
      ->type_name("SECONDS");
  command.add_flag("--quiet", options.quiet, "No progress");
}

Json resolve_recipe(const RecipeOptions& given, const std::vector<Stage>& stages,
                    const fs::path& current_folder) {
  const RecipeOptions options = with_absolute_texts(given, current_folder);
  Json recipe = options.recipe.empty() ? Json::object() : read_recipe(current_folder / options.recipe);
  apply_flags(options, current_folder, recipe);
  apply_texts(options, stages, recipe);
  for (const std::string& setting : options.settings) {
    apply_setting(recipe, setting, current_folder);
  }
  refuse_run_keys(recipe);
  return recipe;
}

JobSpec resolve_job(const RecipeOptions& options, const std::vector<Stage>& stages,
                    const fs::path& current_folder) {
  const Json recipe = resolve_recipe(options, stages, current_folder);
  JobSpec spec =
      parse_job_spec(recipe_text(recipe), options.recipe.empty() ? "command line" : options.recipe);
  const bool compresses = std::find(stages.begin(), stages.end(), Stage::encode) != stages.end();
  spec.stages = compresses ? stages_of_compression(spec.finetune) : stages;
  check_combinations(spec);
  return spec;
}

}  // namespace cce
