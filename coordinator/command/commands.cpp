#include "coordinator/command/commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>

#include "common/base/error.h"
#include "common/base/nearest_name.h"

namespace cce {
namespace {

constexpr int exit_internal = 1;
constexpr int exit_bad_input = 2;

const char* const footer_text =
    "Exit codes: 0 done, 1 internal error, 2 bad input or unreachable target, 3 memory, disk or queue is "
    "full,\n"
    "4 a worker died, 5 cancelled.";

/// Refuses a word that is no subcommand by name, which the parser would not.
void check_subcommand(const CLI::App& app, const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0].empty() || arguments[0][0] == '-') {
    return;
  }
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty() || command->get_name() == arguments[0]) {
      names.push_back(command->get_name());
    }
  }
  if (std::find(names.begin(), names.end(), arguments[0]) == names.end()) {
    throw Error{.code = ErrorCode::unknown_key,
                .where = "command line",
                .found = arguments[0],
                .expected = join_names(names),
                .remedy = did_you_mean(arguments[0], names)};
  }
}

}  // namespace

int run_command_line(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  CLI::App app("Contextual Compression Encoding: a Hugging Face checkpoint in, a smaller one out.", "cce");
  app.require_subcommand(1);
  app.set_version_flag("--version", CCE_VERSION);
  app.footer(footer_text);
  add_compress_command(app, surroundings);
  add_plan_command(app, surroundings);
  add_analyze_command(app, surroundings);
  add_evaluate_command(app, surroundings);
  add_finetune_command(app, surroundings);
  add_export_command(app, surroundings);
  add_resume_command(app, surroundings);
  add_probe_command(app, surroundings);
  add_serve_command(app, surroundings);
  add_submit_command(app, surroundings);
  add_jobs_command(app, surroundings);
  add_status_command(app, surroundings);
  add_logs_command(app, surroundings);
  add_cancel_command(app, surroundings);
  add_fetch_command(app, surroundings);
  add_launch_local_command(app);
  add_document_command(app, surroundings);
  try {
    check_subcommand(app, arguments);
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // what App::parse expects
    app.parse(reversed);
    return 0;
  } catch (const CLI::ParseError& error) {
    const bool asked_for = error.get_exit_code() == 0;  // --help, --version
    app.exit(error, surroundings.out, surroundings.err);
    return asked_for ? 0 : exit_bad_input;
  } catch (const Error& error) {
    surroundings.err << "cce: " << describe(error) << "\n";
    return exit_code(error.code);
  } catch (const std::exception& error) {
    surroundings.err << "cce: internal error: " << error.what() << "\n";
    return exit_internal;
  }
}

}  // namespace cce
