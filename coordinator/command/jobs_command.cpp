#include <CLI/CLI.hpp>
#include <memory>

#include "common/base/clock.h"
#include "coordinator/client/client_options.h"
#include "coordinator/command/commands.h"
#include "coordinator/store/job_state.h"

namespace cce {
namespace {

struct JobsOptions {
  ServerOptions server;
  std::string state;
  std::size_t most = 50;
  bool json = false;
};

const char* const examples =
    "Examples:\n"
    "  cce jobs\n"
    "  cce jobs --state running --json\n";

void list_jobs(const JobsOptions& options, const Surroundings& surroundings) {
  const ServiceClient service = make_service_client(options.server, surroundings, plain_waiter());
  const std::vector<RemoteJob> jobs = service.jobs(options.state, options.most);
  if (options.json) {
    Json list = Json::array();
    for (const RemoteJob& job : jobs) {
      list.push_back(job.document);
    }
    surroundings.out << list.dump(2) << "\n";
  } else if (jobs.empty()) {
    surroundings.err << "no jobs\n";
  } else {
    surroundings.out << jobs_table(jobs, system_clock()());
  }
}

}  // namespace

void add_jobs_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<JobsOptions>();
  CLI::App* command = app.add_subcommand("jobs", "List a server's jobs, newest first");
  command->footer(examples);
  add_server_options(*command, options->server);
  command->add_option("--state", options->state, "Only jobs in this state")
      ->check(CLI::IsMember(state_names()))
      ->type_name("STATE");
  command->add_option("--most", options->most, "Jobs at most [default: 50]")
      ->check(CLI::Range(1, 100000))
      ->type_name("N");
  command->add_flag("--json", options->json, "Print a JSON list");
  command->callback([options, &surroundings] { list_jobs(*options, surroundings); });
}

}  // namespace cce
