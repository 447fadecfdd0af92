#include <CLI/CLI.hpp>
#include <memory>

#include "coordinator/client/client_options.h"
#include "coordinator/command/commands.h"
#include "coordinator/command/job_options.h"
#include "coordinator/page/report_table.h"
#include "coordinator/recipe/recipe.h"

namespace cce {
namespace {

struct SubmitOptions {
  RecipeOptions recipe;
  ServerOptions server;
  std::string idempotency_key, from;
  bool follow = false, json = false, quiet = false;
};

const char* const examples =
    "The server reads models and texts itself: their paths must lie below one of its roots.\n"
    "Examples:\n"
    "  cce submit recipe.yaml\n"
    "  cce submit ./smollm2-135m --text wiki.txt --remove 0.3 --follow\n"
    "  cce submit recipe.yaml --from ID --set target.remove_params=0.2\n"
    "  cce submit recipe.yaml --server http://127.0.0.1:8642 --json\n";

void submit(const SubmitOptions& options, const Surroundings& surroundings) {
  Json recipe = resolve_recipe(options.recipe, JobKind::compress, surroundings.current_folder);
  // What can be seen to be wrong from here is refused from here; files may lie where only the server is.
  resolve_job(options.recipe, JobKind::compress, surroundings.current_folder);
  if (!options.from.empty()) {  // the server's: its job's id, or a path there
    recipe["from"] = options.from;
  }
  const ServiceClient service = make_service_client(options.server, surroundings, plain_waiter());
  const RemoteJob job = service.submit(
      recipe_text(recipe), options.idempotency_key.empty() ? new_idempotency_key() : options.idempotency_key);
  if (!options.follow) {
    surroundings.out << (options.json ? job.document.dump(2) : job.id) << "\n";
    return;
  }
  if (!options.quiet) {
    surroundings.err << "job " << job.id << "\n";
  }
  SignalInbox signals;
  if (watch_job(service, signals, job.id, surroundings, false, options.quiet)) {
    const std::string report = service.report(job.id);
    surroundings.out << (options.json ? report : "\n" + report_table(report, "report of job " + job.id));
  }
}

}  // namespace

void add_submit_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App* command = app.add_subcommand("submit", "Hand a compression to a server and print the job's id");
  command->footer(examples);
  add_recipe_options(*command, options->recipe, {});
  add_server_options(*command, options->server);
  command
      ->add_option(
          "--from", options->from,
          "Start from the statistics that this job kept: a job's id at the server, or its folder there")
      ->type_name("ID");
  command->add_flag("--follow,-f", options->follow,
                    "Show progress until the job ends, then its report; Ctrl-C detaches");
  command->add_flag("--json", options->json, "Print the job, or with --follow the report, as JSON");
  command
      ->add_option("--idempotency-key", options->idempotency_key,
                   "The same key again is the same job [default: a new one]")
      ->type_name("KEY");
  command->add_flag("--quiet", options->quiet, "No progress");
  command->callback([options, &surroundings] { submit(*options, surroundings); });
}

}  // namespace cce
