#include <CLI/CLI.hpp>
#include <memory>

#include "coordinator/command/commands.h"
#include "coordinator/command/pipeline_command.h"

namespace cce {
namespace {

struct EvaluateOptions {
  RecipeOptions recipe;
  RunOptions run;
};

const char* const examples =
    "Examples:\n"
    "  cce evaluate ./smollm2-135m --text wiki.txt books.txt\n"
    "  cce evaluate recipe.yaml --model ./smaller\n"
    "  cce evaluate ./smaller --set 'evaluate.text=[{path: wiki.txt, windows: \"-48:\"}]' --json\n";

}  // namespace

void add_evaluate_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<EvaluateOptions>();
  CLI::App* command = app.add_subcommand("evaluate", "Measure a model's perplexity on texts");
  command->footer(examples);
  add_recipe_options(*command, options->recipe, {.compression = false, .calibration = false});
  add_run_options(*command, options->run);
  command->callback([options, &surroundings] {
    run_new_job(JobKind::evaluate, options->recipe, options->run, surroundings);
  });
}

}  // namespace cce
