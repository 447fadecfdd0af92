#include <CLI/CLI.hpp>
#include <memory>

#include "common/base/clock.h"
#include "coordinator/client/client_options.h"
#include "coordinator/command/commands.h"

namespace cce {
namespace {

struct StatusOptions {
  ServerOptions server;
  std::string id;
  bool json = false;
};

const char* const examples =
    "Examples:\n"
    "  cce status ID\n"
    "  cce status ID --json\n";

}  // namespace

void add_status_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app.add_subcommand("status", "Show one of a server's jobs");
  command->footer(examples);
  command->add_option("ID", options->id, "The job's id, as submit and jobs print it")->required();
  add_server_options(*command, options->server);
  command->add_flag("--json", options->json, "Print the job as JSON");
  command->callback([options, &surroundings] {
    const ServiceClient service = make_service_client(options->server, surroundings, plain_waiter());
    const RemoteJob job = service.job(options->id);
    surroundings.out << (options->json ? job.document.dump(2) + "\n" : job_details(job, system_clock()()));
  });
}

}  // namespace cce
