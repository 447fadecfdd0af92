#include <CLI/CLI.hpp>
#include <memory>

#include "common/base/error.h"
#include "common/model/formats/format.h"
#include "coordinator/command/commands.h"
#include "coordinator/command/pipeline_command.h"
#include "coordinator/recipe/recipe.h"

namespace cce {
namespace {

struct FinetuneOptions {
  RecipeOptions recipe;
  RunOptions run;
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

bool has(const Json& recipe, const char* section, const char* key) {
  const auto found = recipe.find(section);
  return found != recipe.end() && found->is_object() && found->contains(key) && !(*found)[key].is_null();
}

/// This command's defaults. Errors: wrong_type without a teacher; those of inspect_checkpoint.
void complete(Json& recipe) {
  if (!has(recipe, "finetune", "teacher")) {
    throw Error{.code = ErrorCode::wrong_type,
                .where = "finetune.teacher",
                .found = "nothing",
                .expected = "the checkpoint that the model was made from",
                .remedy = "Name it with --teacher DIR, or in the recipe"};
  }
  if (!has(recipe, "finetune", "max_tokens") && !has(recipe, "finetune", "max_seconds")) {
    set_key(recipe, "finetune.max_tokens", usual_tokens);
  }
  const auto model = recipe.find("model");
  if (!has(recipe, "export", "format") && model != recipe.end() && model->is_string()) {
    set_key(recipe, "export.format", format_of(PosixFileSystem(), model->get<std::string>()));
  }
}

}  // namespace

void add_finetune_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<FinetuneOptions>();
  CLI::App* command =
      app.add_subcommand("finetune", "Train a compressed checkpoint against the model it was made from");
  command->footer(examples);
  add_recipe_options(*command, options->recipe, {.compression = false, .calibration = false});
  command->add_option("--teacher", options->recipe.teacher, "The checkpoint that the model was made from")
      ->type_name("DIR");
  command
      ->add_option("--eval-text", options->recipe.evaluation_text,
                   "Text to evaluate on [default: the last 8 windows of each --text, which training then "
                   "leaves out]")
      ->type_name("FILE...");
  command->add_option("--out", options->recipe.output, "Folder for the result")->type_name("DIR");
  command
      ->add_option("--max-tokens", options->recipe.max_tokens,
                   "Training tokens [default: 262144 without --max-seconds]")
      ->type_name("N");
  command->add_option("--max-seconds", options->recipe.max_seconds, "Training time")->type_name("SECONDS");
  command->add_option("--learning-rate", options->recipe.learning_rate, "After the warm-up [default: 2e-4]")
      ->type_name("RATE");
  options->recipe.complete = complete;
  add_run_options(*command, options->run);
  command->add_flag("--force", options->run.force, "Replace --out even if it holds something else");
  command->callback([options, &surroundings] {
    run_new_job(JobKind::finetune, options->recipe, options->run, surroundings);
  });
}

}  // namespace cce
