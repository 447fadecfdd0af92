#include "coordinator/command/job_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <utility>

#include "common/job/job_checks.h"
#include "common/model/format_rules.h"
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

/// What flags write: the recipe's keys, with paths from the current folder.
struct FlagTarget {
  Json& recipe;
  const fs::path& current_folder;

  void set(const std::string& key, Json value) const {
    set_anchored(recipe, key, std::move(value), current_folder);
  }
  template <typename Value>
  void set_if(const char* key, const std::optional<Value>& value) const {
    if (value) {
      set(key, *value);
    }
  }
  void set_if(const char* key, const std::string& value) const {
    if (!value.empty()) {
      set(key, value);
    }
  }
};

void apply_texts(const RecipeOptions& options, const JobKindRow& kind, const FlagTarget& target) {
  if (!options.evaluation_text.empty()) {
    target.set("evaluate.text", text_list(options.evaluation_text, nullptr));
  }
  if (options.text.empty()) {
    return;
  }
  const bool holds_out = kind.holds_out && !evaluates(target.recipe);
  target.set(kind.text_key, text_list(options.text, holds_out ? calibration_windows : nullptr));
  if (holds_out) {
    target.set("evaluate.text", text_list(options.text, held_out_windows));
  }
}

void apply_flags(const RecipeOptions& options, const FlagTarget& target) {
  target.set_if("model", options.model);
  target.set_if("output", options.output);
  target.set_if("from", options.from);
  target.set_if("finetune.teacher", options.teacher);
  target.set_if("finetune.max_tokens", options.max_tokens);
  target.set_if("finetune.max_seconds", options.max_seconds);
  target.set_if("finetune.learning_rate", options.learning_rate);
  target.set_if("export.format", options.format);
  target.set_if("seed", options.seed);
  target.set_if("calibration.length", options.length);
  target.set_if("calibration.sequences", options.sequences);
  if (options.keep_statistics) {
    target.set("calibration.keep_statistics", true);
  }
  target.set_if("resources.ranks", options.ranks);
  target.set_if("resources.threads", options.threads);
  target.set_if("resources.memory", options.memory);
  target.set_if("target.remove_params", options.remove);
  if (options.structures.size() == 1 && options.structures[0] == "auto") {
    target.set("structures", "auto");
  } else if (!options.structures.empty()) {
    target.set("structures", options.structures);
  }
}

/// A folder is the model, and so is what can only be meant as one and is then refused with words of its own: a
/// file of weights, or a name that is nowhere here and not a recipe's ("org/name").
bool names_model(const fs::path& path) {
  const auto ends_in = [&path](std::initializer_list<std::string_view> endings) {
    return std::find(endings.begin(), endings.end(), path.extension().string()) != endings.end();
  };
  return fs::is_directory(path) || ends_in({".gguf", ".safetensors", ".bin", ".pt", ".pth"}) ||
         (!fs::exists(path) && !ends_in({".yaml", ".yml", ".json"}));
}

/// The positional argument as what it is.
RecipeOptions with_source(RecipeOptions options, const fs::path& current_folder) {
  if (options.source.empty()) {
    return options;
  }
  if (!names_model(current_folder / options.source)) {
    options.recipe = options.source;
  } else if (options.model.empty()) {
    options.model = options.source;
  } else {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "command line",
                .found = "the folder " + options.source + " and --model " + options.model,
                .expected = "one model",
                .remedy = "Leave one of the two out"};
  }
  return options;
}

}  // namespace

void add_recipe_options(CLI::App& command, RecipeOptions& options, RecipeFlags flags) {
  command.add_option("RECIPE_OR_MODEL", options.source,
                     "A file is a recipe (YAML), whose keys the flags below change; a folder is the model");
  command.add_option("--model", options.model, "The model: a Hugging Face folder")->type_name("DIR");
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

Json resolve_recipe(const RecipeOptions& given, JobKind kind, const fs::path& current_folder) {
  const RecipeOptions options = with_source(given, current_folder);
  const JobKindRow& row = row_of(kind);
  Json recipe = options.recipe.empty() ? Json::object() : read_recipe(current_folder / options.recipe);
  const FlagTarget target{recipe, current_folder};
  apply_flags(options, target);
  apply_texts(options, row, target);
  for (const std::string& setting : options.settings) {
    apply_setting(recipe, setting, current_folder);
  }
  if (options.complete) {
    options.complete(recipe);
  }
  refuse_run_keys(recipe);
  return recipe;
}

JobSpec resolve_job(const RecipeOptions& options, JobKind kind, const fs::path& current_folder) {
  const Json recipe = resolve_recipe(options, kind, current_folder);
  const std::string source = options.recipe.empty() ? options.source : options.recipe;
  const bool is_file = !source.empty() && !names_model(current_folder / source);
  JobSpec spec = parse_job_spec(recipe_text(recipe), is_file ? source : "command line");
  spec.kind = kind;
  check_combinations(spec);
  return spec;
}

}  // namespace cce
