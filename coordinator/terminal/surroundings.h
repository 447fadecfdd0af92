#pragma once
#include <filesystem>
#include <ostream>

#include "coordinator/terminal/progress.h"

namespace cce {

/// What a subcommand sees of the world: streams, folders and the terminal. Made once in main; tests make
/// their own.
struct Surroundings {
  std::ostream& out;  ///< results
  std::ostream& err;  ///< progress and messages
  std::filesystem::path current_folder;
  std::filesystem::path program_folder;  ///< where cce lies and cce-worker is looked for
  ProgressStyle style;                   ///< of err; `quiet` comes from the flags
};

/// This process's: standard streams, current folder, the folder of the running program, the terminal of
/// stderr.
Surroundings process_surroundings(std::ostream& out, std::ostream& err);

/// The worker that a flag names, or the one beside cce. Not checked here: the scheduler's error says more.
std::filesystem::path worker_program(const std::string& flag, const Surroundings& surroundings);

}  // namespace cce
