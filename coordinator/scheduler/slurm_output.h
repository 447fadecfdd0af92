#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cce {

/// What a Slurm job's state means for its watcher.
enum class SlurmPhase {
  waiting,  ///< in the queue, also again after a requeue
  running,  ///< or ending: its processes may live
  ended,    ///< for good
};

/// A state as Slurm spells it, such as COMPLETING or NODE_FAIL. Pure. Errors: malformed_file for a word that
/// no Slurm up to 24.05 has: a guess could start a job twice or lose one.
SlurmPhase phase_of_state(const std::string& state, const std::string& where);

/// One line of `squeue --noheader --format='%A|%j|%T|%Z'`.
struct SlurmQueueEntry {
  std::string id, name, state;
  std::filesystem::path work_dir;  ///< the folder that sbatch was told to work in
};

/// What `scontrol show job --oneliner ID` says that matters here.
struct SlurmJobRecord {
  std::string id, name, state, reason;
  std::int64_t restarts = 0;
  int exit_status = 0, signal = 0;  ///< of the batch script, ExitCode=STATUS:SIGNAL
  std::filesystem::path work_dir;
};

/// The job's id from `sbatch --parsable`: "123", or "123;CLUSTER". Errors: malformed_file.
std::string parse_submitted(const std::string& output);

/// Errors: malformed_file for any line of another shape or with an unknown state.
std::vector<SlurmQueueEntry> parse_queue(const std::string& output);

/// Errors: malformed_file where a field is missing or has another shape, or the state is unknown. Later
/// fields hold paths and comments that people choose, so a key counts where it stands first.
SlurmJobRecord parse_job_record(const std::string& output);

/// Whether a string is a plain job number, as parse_submitted returns it.
bool is_job_number(const std::string& text);

}  // namespace cce
