#include <CLI/CLI.hpp>
#include <memory>

#include "coordinator/commands.h"
#include "coordinator/pipeline_command.h"

namespace cce {
namespace {

struct ResumeOptions {
  std::string job, model;
  RunOptions run;
};

const char* const examples =
    "Examples:\n"
    "  cce resume ./smaller.job\n"
    "  cce resume ./copied.job --model /elsewhere/smollm2-135m\n";

}  // namespace

void add_resume_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<ResumeOptions>();
  CLI::App* command =
      app.add_subcommand("resume", "Continue a job that was stopped; the result is the same bytes");
  command->footer(examples);
  command->add_option("JOB", options->job, "Job directory")->required();
  command->add_option("--model", options->model, "Where the same checkpoint lies now")->type_name("DIR");
  add_run_options(*command, options->run, false);
  command->add_flag("--force", options->run.force, "Replace the output even if it holds something else");
  command->callback([options, &surroundings] {
    const auto started = std::chrono::steady_clock::now();
    PosixFileSystem files;
    const auto& here = surroundings.current_folder;
    const std::string model =
        options->model.empty() ? "" : (here / options->model).lexically_normal().string();
    JobDir job = open_job(files, (here / options->job).lexically_normal(), model);
    run_attempt(files, job, options->run, surroundings, started);
  });
}

}  // namespace cce
