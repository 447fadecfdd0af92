#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "common/base/file.h"
#include "coordinator/scheduler/scheduler.h"

namespace cce {

/// What a run on this machine leaves on disk, by which a later process recognises it.
///   FOLDER/NAME.run   {"pid", "start_ticks", "boot_id"}: written by the launcher itself before it starts
///                     anything
///   FOLDER/NAME.end   {"end", "exit_status" or "signal"}: written by the launcher when no process of it is
///                     left
///   FOLDER/NAME.lock  held by the launcher as long as it lives
/// Both files are whole or absent. A name is used once.
class RunRecord {
 public:
  /// Checks the name. Errors: invalid_argument.
  RunRecord(FileSystem& files, const std::filesystem::path& folder, const std::string& name);

  /// For the launcher: takes the name for this process and writes NAME.run. Keep what it returns.
  /// Errors: job_locked where another launcher has or had the name.
  std::unique_ptr<FileLock> claim();
  void write_end(const RunState& state);

  /// The launcher's process, alive or not; nothing where the name was never claimed.
  struct Launcher {
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;
    std::string boot;
  };
  std::optional<Launcher> launcher() const;
  std::optional<RunState> end() const;

  /// The end that was recorded; running while the launcher, or a process that it left behind, lives; else
  /// ended with `vanished`. A process with the launcher's pid and another start time is not ours.
  RunState state() const;
  bool launcher_lives() const;
  /// The run's live processes, the launcher not among them.
  std::vector<pid_t> processes() const;

 private:
  FileSystem& files_;
  std::filesystem::path run_path_, end_path_, lock_path_;
};

}  // namespace cce
