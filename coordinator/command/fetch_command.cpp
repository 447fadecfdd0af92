#include <CLI/CLI.hpp>
#include <memory>

#include "common/base/clock.h"
#include "common/base/number_format.h"
#include "coordinator/client/client_fetch.h"
#include "coordinator/client/client_options.h"
#include "coordinator/command/commands.h"

namespace cce {
namespace {

struct FetchOptions {
  ServerOptions server;
  std::string id, output;
  bool force = false, quiet = false;
};

const char* const examples =
    "Sizes and digests are checked; a new folder appears whole or not at all, and one that\n"
    "exists is filled in place. A fetch that was stopped continues where it was.\n"
    "Example:\n"
    "  cce fetch ID --out ./smaller\n";

void fetch(const FetchOptions& options, const Surroundings& surroundings) {
  SignalInbox signals;
  const ServiceClient service = make_service_client(
      options.server, surroundings, [&](double seconds) { return signals.wait(seconds) == 0; });
  ProgressStyle style = surroundings.style;
  style.quiet = options.quiet;
  Progress progress(surroundings.err, style, {"fetch"});
  PosixFileSystem files;
  const auto output = (surroundings.current_folder / options.output / "").lexically_normal().parent_path();
  const Clock clock = system_clock();
  JobEvent event;
  event.time = clock();
  event.kind = EventKind::stage_started;
  event.stage = "fetch";
  progress.show(event);
  double shown = 0.0;
  const FetchCallbacks callbacks{.progress =
                                     [&](std::int64_t done, std::int64_t total) {
                                       event.kind = EventKind::progress;
                                       event.time = clock();
                                       event.done = done;
                                       event.total = total;
                                       if (event.time - shown >= 0.1) {
                                         shown = event.time;
                                         progress.show(event);
                                       }
                                     },
                                 .note = [&](const std::string& sentence) { progress.note(sentence); },
                                 .keep_going = [&] { return signals.wait(0.0) == 0; }};
  fetch_result(files, service, options.id, output, options.force, callbacks);
  progress.note(format_bytes(event.total) + " in " + output.string());
}

}  // namespace

void add_fetch_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<FetchOptions>();
  CLI::App* command = app.add_subcommand("fetch", "Bring the result of one of a server's jobs here");
  command->footer(examples);
  command->add_option("ID", options->id, "The job's id")->required();
  command->add_option("--out", options->output, "Folder for the result")->type_name("DIR")->required();
  add_server_options(*command, options->server);
  command->add_flag("--force", options->force, "Replace --out even if it holds something else");
  command->add_flag("--quiet", options->quiet, "No progress");
  command->callback([options, &surroundings] { fetch(*options, surroundings); });
}

}  // namespace cce
