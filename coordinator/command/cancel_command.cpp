#include <CLI/CLI.hpp>
#include <memory>

#include "coordinator/client/client_options.h"
#include "coordinator/command/commands.h"

namespace cce {
namespace {

struct CancelOptions {
  ServerOptions server;
  std::string id;
  bool json = false;
};

const char* const examples =
    "The job stops at its next safe point; cce resume ID --server URL continues it.\n"
    "Example:\n"
    "  cce cancel ID\n";

}  // namespace

void add_cancel_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<CancelOptions>();
  CLI::App* command = app.add_subcommand("cancel", "Stop one of a server's jobs at a safe point");
  command->footer(examples);
  command->add_option("ID", options->id, "The job's id")->required();
  add_server_options(*command, options->server);
  command->add_flag("--json", options->json, "Print the job as JSON");
  command->callback([options, &surroundings] {
    const ServiceClient service = make_service_client(options->server, surroundings, plain_waiter());
    const RemoteJob job = service.cancel(options->id);
    surroundings.out << (options->json ? job.document.dump(2) : job.id + "  " + job.state) << "\n";
  });
}

}  // namespace cce
