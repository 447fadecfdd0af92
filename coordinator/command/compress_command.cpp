#include <CLI/CLI.hpp>
#include <memory>

#include "common/base/error.h"
#include "coordinator/command/commands.h"
#include "coordinator/command/pipeline_command.h"

namespace cce {
namespace {

struct CompressOptions {
  RecipeOptions recipe;
  RunOptions run;
};

const char* const examples =
    "Examples:\n"
    "  cce compress recipe.yaml\n"
    "  cce compress ./smollm2-135m --text wiki.txt --remove 0.3 --out ./smaller\n"
    "  cce compress recipe.yaml --set encode.ridge_lambda=0.1 --ranks 4 --json > report.json\n"
    "  cce compress recipe.yaml --keep-statistics --out ./a\n"
    "  cce compress recipe.yaml --from ./a.job --remove 0.2 --out ./b\n";

}  // namespace

void add_compress_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<CompressOptions>();
  CLI::App* command = app.add_subcommand("compress", "Make a smaller checkpoint");
  command->footer(examples);
  add_recipe_options(*command, options->recipe, {});
  add_run_options(*command, options->run);
  command
      ->add_option(
          "--from", options->recipe.from,
          "Start from the statistics that this job kept: another target, format or structures of the "
          "same model, texts, seed and ranks")
      ->type_name("JOB");
  command->add_flag("--force", options->run.force, "Replace --out even if it holds something else");
  command->callback([options, &surroundings] {
    run_new_job(JobKind::compress, options->recipe, options->run, surroundings);
  });
}

}  // namespace cce
