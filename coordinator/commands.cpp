#include "coordinator/commands.h"

#include <algorithm>
#include <exception>

#include "common/error.h"

namespace cce {
namespace {

constexpr int exit_internal = 1;
constexpr int exit_bad_input = 2;

const char* const footer_text =
    "Exit codes: 0 done, 1 internal error, 2 bad input or unreachable target, 3 memory or disk does not "
    "fit,\n"
    "4 a worker died, 5 cancelled.";

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
  add_export_command(app, surroundings);
  add_resume_command(app, surroundings);
  add_probe_command(app, surroundings);
  try {
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
