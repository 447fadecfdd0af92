#include <CLI/CLI.hpp>
#include <memory>

#include "coordinator/command/commands.h"
#include "coordinator/command/pipeline_command.h"

namespace cce {
namespace {

struct AnalyzeOptions {
  RecipeOptions recipe;
  RunOptions run;
};

const char* const examples =
    "Examples:\n"
    "  cce analyze ./smollm2-135m --text wiki.txt\n"
    "  cce analyze recipe.yaml\n"
    "  cce analyze ./smollm2-135m --text wiki.txt --sequences 16 --json > report.json\n";

}  // namespace

void add_analyze_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<AnalyzeOptions>();
  CLI::App* command = app.add_subcommand("analyze", "Show how alike and how redundant a model's layers are");
  command->footer(examples);
  add_recipe_options(*command, options->recipe, {.compression = false, .calibration = true});
  add_run_options(*command, options->run);
  command->callback([options, &surroundings] {
    run_new_job(JobKind::analyze, options->recipe, options->run, surroundings);
  });
}

}  // namespace cce
