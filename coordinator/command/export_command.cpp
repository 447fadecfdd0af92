#include <CLI/CLI.hpp>
#include <memory>

#include "common/job/job_checks.h"
#include "common/job/numerics_record.h"
#include "common/model/format_rules.h"
#include "coordinator/command/commands.h"
#include "coordinator/command/pipeline_command.h"
#include "coordinator/forecast/format_check.h"
#include "coordinator/forecast/weight_check.h"
#include "coordinator/recipe/recipe.h"
#include "coordinator/system/delivery.h"
#include "coordinator/system/tree_copy.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

struct ExportOptions {
  std::string job, output, format, dtype;
  RunOptions run;
};

const char* const examples =
    "Examples:\n"
    "  cce export ./smaller.job --format custom --out ./smaller-reshaped\n"
    "  cce export ./smaller.job --dtype f32 --out ./smaller-f32\n";

/// A job of its own that starts from the finished stages of another: the first one stays as it was.
void export_job(const ExportOptions& options, const Surroundings& surroundings) {
  const auto started = std::chrono::steady_clock::now();
  const fs::path& here = surroundings.current_folder;
  PosixFileSystem files;
  const JobDir source = open_finished_job(files, (here / options.job).lexically_normal());

  Json recipe = parse_json(to_json(source.read_spec()), (source.root() / "spec.json").string());
  if (!options.format.empty()) {
    set_key(recipe, "export.format", options.format);
  }
  if (!options.dtype.empty()) {
    set_key(recipe, "export.dtype", options.dtype);
  }
  set_key(recipe, "output", (here / options.output).lexically_normal().string());
  JobSpec spec = parse_job_spec(recipe_text(recipe), "command line");
  spec.kind = JobKind::export_result;
  check_combinations(spec);
  const fs::path root =
      options.run.job.empty() ? default_job_root(spec, here) : (here / options.run.job).lexically_normal();
  DeliveryGuards guards = delivery_guards(root, spec);
  guards.inputs.push_back(source.root());
  check_deliverable(files, spec.output, options.run.force, guards);
  check_format_files(files, spec);
  check_weights(files, spec);
  JobDir job = JobDir::create(files, root, spec, source.read_partition());
  files.write_atomic(root / "recipe.yaml", recipe_yaml(spec));
  files.remove_all(job.state_root());
  copy_tree(source.state_root(), job.state_root());
  if (const std::optional<NumericsRecord> numerics = read_numerics(files, source)) {
    write_numerics(files, job, *numerics);
  }
  run_attempt(files, job, options.run, surroundings, started);
}

}  // namespace

void add_export_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* command =
      app.add_subcommand("export", "Write a finished job's model again, in another format or dtype");
  command->footer(examples);
  command->add_option("JOB", options->job, "Job directory of a finished compression")->required();
  command->add_option("--format", options->format, format_choices() + " [default: the job's]")
      ->type_name("FORMAT");
  command->add_option("--dtype", options->dtype, "bf16, f16 or f32 [default: the job's]")->type_name("DTYPE");
  command->add_option("--out", options->output, "Folder for the result")->type_name("DIR")->required();
  add_run_options(*command, options->run);
  command->add_flag("--force", options->run.force, "Replace --out even if it holds something else");
  command->callback([options, &surroundings] { export_job(*options, surroundings); });
}

}  // namespace cce
