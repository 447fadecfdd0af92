#include <CLI/CLI.hpp>
#include <memory>

#include "common/base/error.h"
#include "common/base/number_format.h"
#include "common/model/formats/format.h"
#include "coordinator/command/commands.h"
#include "coordinator/command/pipeline_command.h"

namespace cce {
namespace {

struct FinetuneOptions {
  RecipeOptions recipe;
  RunOptions run;
  std::optional<std::int64_t> max_tokens;
  std::optional<double> max_seconds, learning_rate;
};

const char* const examples =
    "Examples:\n"
    "  cce finetune ./smaller --teacher ./smollm2-135m --text books.txt --out ./better\n"
    "  cce finetune ./smaller --teacher ./smollm2-135m --text books.txt --max-seconds 600 --out ./better\n";

/// Tokens where no budget is given.
constexpr std::int64_t usual_tokens = 262144;

/// The format that holds the model: the one it has.
std::string format_of(const FileSystem& files, const std::filesystem::path& model) {
  const std::string architecture = inspect_checkpoint(files, model).config.architecture;
  return std::string(format_name(format_of_class(architecture)));
}

/// Settings of this command, before those that the user gives and that win.
void add_settings(FinetuneOptions& options, const Surroundings& surroundings) {
  const PosixFileSystem files;
  std::vector<std::string> settings;
  settings.push_back("export.format=" + format_of(files, surroundings.current_folder / options.recipe.model));
  const bool no_budget = !options.max_tokens && !options.max_seconds;
  if (options.max_tokens || no_budget) {
    settings.push_back("finetune.max_tokens=" + std::to_string(options.max_tokens.value_or(usual_tokens)));
  }
  if (options.max_seconds) {
    settings.push_back("finetune.max_seconds=" + format_number(*options.max_seconds));
  }
  if (options.learning_rate) {
    settings.push_back("finetune.learning_rate=" + format_number(*options.learning_rate));
  }
  options.recipe.settings.insert(options.recipe.settings.begin(), settings.begin(), settings.end());
}

}  // namespace

void add_finetune_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<FinetuneOptions>();
  CLI::App* command =
      app.add_subcommand("finetune", "Train a compressed checkpoint against the model it was made from");
  command->footer(examples);
  add_recipe_options(*command, options->recipe,
                     {.recipe_file = false, .compression = false, .calibration = false});
  command->add_option("--teacher", options->recipe.teacher, "The checkpoint that MODEL was made from")
      ->type_name("DIR")
      ->required();
  command
      ->add_option("--eval-text", options->recipe.evaluation_text,
                   "Text to evaluate on [default: the last 8 windows of each --text, which training then "
                   "leaves out]")
      ->type_name("FILE...");
  command->add_option("--out", options->recipe.output, "Folder for the result")->type_name("DIR");
  command
      ->add_option("--max-tokens", options->max_tokens,
                   "Training tokens [default: 262144 without --max-seconds]")
      ->type_name("N");
  command->add_option("--max-seconds", options->max_seconds, "Training time")->type_name("SECONDS");
  command->add_option("--learning-rate", options->learning_rate, "After the warm-up [default: 2e-4]")
      ->type_name("RATE");
  add_run_options(*command, options->run);
  command->add_flag("--force", options->run.force, "Replace --out even if it holds something else");
  command->callback([options, &surroundings] {
    add_settings(*options, surroundings);
    run_new_job("finetune", options->recipe, options->run,
                {Stage::finetune, Stage::evaluate, Stage::export_result}, surroundings);
  });
}

}  // namespace cce
