#pragma once
#include <string>
#include <vector>

#include "coordinator/terminal/surroundings.h"

namespace CLI {
class App;
}

namespace cce {

/// One subcommand each: adds its flags and help to `app`; its work runs when the parser has met it and all
/// flags are read. `surroundings` must outlive the parse. Errors leave through App::parse.
void add_compress_command(CLI::App& app, const Surroundings& surroundings);
void add_plan_command(CLI::App& app, const Surroundings& surroundings);
void add_analyze_command(CLI::App& app, const Surroundings& surroundings);
void add_evaluate_command(CLI::App& app, const Surroundings& surroundings);
void add_finetune_command(CLI::App& app, const Surroundings& surroundings);
void add_export_command(CLI::App& app, const Surroundings& surroundings);
void add_resume_command(CLI::App& app, const Surroundings& surroundings);
void add_probe_command(CLI::App& app, const Surroundings& surroundings);
void add_serve_command(CLI::App& app, const Surroundings& surroundings);
void add_submit_command(CLI::App& app, const Surroundings& surroundings);
void add_jobs_command(CLI::App& app, const Surroundings& surroundings);
void add_status_command(CLI::App& app, const Surroundings& surroundings);
void add_logs_command(CLI::App& app, const Surroundings& surroundings);
void add_cancel_command(CLI::App& app, const Surroundings& surroundings);
void add_fetch_command(CLI::App& app, const Surroundings& surroundings);
/// The local scheduler's launcher: hidden, and no part of the command line's promises.
void add_launch_local_command(CLI::App& app);
/// Prints the pages of docs/ that are made from the program's tables: hidden too.
void add_document_command(CLI::App& app, const Surroundings& surroundings);

/// Parses arguments (without the program's name), runs the subcommand and turns errors into a message on
/// `err` and an exit code: the only place where that happens.
int run_command_line(const std::vector<std::string>& arguments, const Surroundings& surroundings);

}  // namespace cce
