#include <CLI/CLI.hpp>
#include <memory>

#include "coordinator/client/client_event_text.h"
#include "coordinator/client/client_options.h"
#include "coordinator/command/commands.h"

namespace cce {
namespace {

struct LogsOptions {
  ServerOptions server;
  std::string id;
  bool follow = false, json = false;
};

const char* const examples =
    "A lost connection is restored where it broke off. Ctrl-C detaches; the job goes on.\n"
    "With -f the exit code is the job's: 0 completed, 5 cancelled, else that of its error.\n"
    "Examples:\n"
    "  cce logs ID\n"
    "  cce logs -f ID\n"
    "  cce logs -f ID --json > events.jsonl\n";

/// What has happened so far, a line each.
void print_past(const ServiceClient& service, SignalInbox& signals, const LogsOptions& options,
                const Surroundings& surroundings) {
  const FollowCallbacks callbacks{
      .item =
          [&](const StreamedItem& item) {
            surroundings.out << (options.json ? item.json : stream_line(item)) << "\n";
          },
      .note = [&](const std::string& sentence) { surroundings.err << sentence << "\n"; },
      .keep_going = [&] { return signals.wait(0.0) == 0; }};
  follow_job(service, options.id, {.until_final = false, .give_up_seconds = 30.0}, callbacks);
}

}  // namespace

void add_logs_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<LogsOptions>();
  CLI::App* command = app.add_subcommand("logs", "Show what one of a server's jobs did, and does");
  command->footer(examples);
  command->add_option("ID", options->id, "The job's id")->required();
  add_server_options(*command, options->server);
  command->add_flag("-f,--follow", options->follow, "Live progress until the job ends");
  command->add_flag("--json", options->json, "Print events and changes of state as JSON, one a line");
  command->callback([options, &surroundings] {
    SignalInbox signals;
    const ServiceClient service = make_service_client(
        options->server, surroundings, [&](double seconds) { return signals.wait(seconds) == 0; });
    if (options->follow) {
      watch_job(service, signals, options->id, surroundings, options->json, false);
    } else {
      print_past(service, signals, *options, surroundings);
    }
  });
}

}  // namespace cce
