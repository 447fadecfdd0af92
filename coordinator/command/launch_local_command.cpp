#include <CLI/CLI.hpp>
#include <memory>

#include "coordinator/command/commands.h"
#include "coordinator/scheduler/local_launcher.h"

namespace cce {

void add_launch_local_command(CLI::App& app) {
  auto launch = std::make_shared<LocalLaunch>();
  CLI::App* command = app.add_subcommand("launch-local", "Run a program and keep a record of it");
  command->group("");  // for the local scheduler alone: not in the help
  command->add_option("--folder", launch->folder)->required();
  command->add_option("--name", launch->name)->required();
  command->add_option("--time-limit", launch->time_limit_seconds);
  command->prefix_command();  // the rest is the program's
  command->callback([launch, command] {
    launch->arguments = command->remaining();
    PosixFileSystem files;
    run_local_launch(files, *launch);
  });
}

}  // namespace cce
