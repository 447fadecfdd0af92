#include <CLI/CLI.hpp>
#include <memory>

#include "common/base/error.h"
#include "common/job/numerics_record.h"
#include "coordinator/client/client_options.h"
#include "coordinator/command/commands.h"
#include "coordinator/command/pipeline_command.h"

namespace cce {
namespace {

struct ResumeOptions {
  std::string job, model, teacher;
  bool other_numerics = false;
  RunOptions run;
  ServerOptions server;
};

const char* const examples =
    "Examples:\n"
    "  cce resume ./smaller.job\n"
    "  cce resume ./copied.job --model /elsewhere/smollm2-135m\n"
    "  cce resume ID --server http://127.0.0.1:8642\n";

/// A server's job is meant where a server is named and JOB is no folder here.
bool is_remote(const ResumeOptions& options, const Surroundings& surroundings) {
  return !options.server.server.empty() &&
         !std::filesystem::is_directory(surroundings.current_folder / options.job);
}

void resume_here(const ResumeOptions& options, const Surroundings& surroundings) {
  const auto started = std::chrono::steady_clock::now();
  PosixFileSystem files;
  const auto& here = surroundings.current_folder;
  const auto anchored = [&here](const std::string& folder) {
    return folder.empty() ? folder : (here / folder).lexically_normal().string();
  };
  JobDir job = open_job(files, (here / options.job).lexically_normal(),
                        {.model = anchored(options.model), .teacher = anchored(options.teacher)});
  if (options.other_numerics) {
    allow_other_numerics(files, job);
  }
  run_attempt(files, job, options.run, surroundings, started);
}

void resume_there(const CLI::App& command, const ResumeOptions& options, const Surroundings& surroundings) {
  for (const char* flag : {"--model", "--teacher", "--force", "--worker", "--bind", "--grace"}) {
    if (command.get_option(flag)->count() > 0) {
      throw Error{.code = ErrorCode::impossible_combination,
                  .where = "command line",
                  .found = std::string(flag) + " with a server's job",
                  .expected = "a job directory here, or no such flag",
                  .remedy = "The server knows where its files are and how its workers run."};
    }
  }
  const ServiceClient service = make_service_client(options.server, surroundings, plain_waiter());
  const RemoteJob job = service.resume(options.job, options.other_numerics);
  surroundings.out << (options.run.json ? job.document.dump(2) : job.id + "  " + job.state) << "\n";
}

}  // namespace

void add_resume_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<ResumeOptions>();
  CLI::App* command =
      app.add_subcommand("resume", "Continue a job that was stopped; the result is the same bytes");
  command->footer(examples);
  command->add_option("JOB", options->job, "Job directory, or the id of a server's job")->required();
  command->add_option("--model", options->model, "Where the same checkpoint lies now")->type_name("DIR");
  command->add_option("--teacher", options->teacher, "Where the same teacher lies now")->type_name("DIR");
  add_run_options(*command, options->run, false);
  command->add_flag("--force", options->run.force, "Replace the output even if it holds something else");
  command->add_flag(
      "--allow-other-numerics", options->other_numerics,
      "Go on with other libraries or another kind of machine than before; other bytes come out");
  add_server_options(*command, options->server);
  command->callback([options, command, &surroundings] {
    if (is_remote(*options, surroundings)) {
      resume_there(*command, *options, surroundings);
    } else {
      resume_here(*options, surroundings);
    }
  });
}

}  // namespace cce
