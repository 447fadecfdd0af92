#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/job/job_event.h"
#include "common/job/partition.h"
#include "common/job/stage_inputs.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// Proof that this process owns a job directory; given back when it goes.
class JobLock {
 public:
  JobLock(std::unique_ptr<FileLock> lock, std::int64_t attempt) : lock_(std::move(lock)), attempt_(attempt) {}
  std::int64_t attempt() const { return attempt_; }

 private:
  std::unique_ptr<FileLock> lock_;
  std::int64_t attempt_;
};

/// JOB/logs/attempt-N.log: what the launcher and all ranks of an attempt print.
FileSystem::Path attempt_log_path(const FileSystem::Path& root, std::int64_t attempt);

/// The job directory of docs/architecture.md: the only thing that the coordinator and the workers share.
///   spec.json partition.json events.jsonl lock attempt control/cancel state/NAME/ result/ logs/attempt-N.log
/// `lock` is held by the attempt at work, `attempt` names the latest one: beside the lock, since writing it
/// atomically replaces the file, and a lock goes with the file it was taken on. Every file is whole or
/// absent; state/NAME and result/ are published by renaming a finished folder. Holds paths only: cheap to
/// copy, and several processes may have one. `files` must outlive it. Errors of every call, besides those
/// named: disk_full, io_failure, with the path.
class JobDir {
 public:
  using Path = FileSystem::Path;

  /// Makes the folder and its inner ones and writes spec.json last, so that a folder with spec.json is
  /// complete. fill_state: puts states that the job starts with into state/ before that; what an earlier try
  /// left there may be replaced. Errors: impossible_combination where `root` already holds a job.
  static JobDir create(FileSystem& files, const Path& root, const JobSpec& spec, const Partition& partition,
                       const std::function<void(const Path& state_root)>& fill_state = {});

  /// Errors: missing_file where `root` holds no job.
  static JobDir open(FileSystem& files, const Path& root);
  /// The same for a worker, on every rank: once a newer attempt has taken the job, whatever would change
  /// state/ or result/ is refused. Their errors then, besides their own: job_locked.
  static JobDir open_for_attempt(FileSystem& files, const Path& root, std::int64_t attempt);

  // ---- places
  const Path& root() const { return root_; }
  Path events_path() const { return root_ / "events.jsonl"; }
  Path state_root() const { return root_ / "state"; }
  Path result_path() const { return root_ / "result"; }

  // ---- inputs
  JobSpec read_spec() const;
  Partition read_partition() const;
  void write_spec(const JobSpec& spec);  ///< a resume that rebinds paths
  void write_partition(const Partition& partition);

  // ---- ownership
  /// Takes the job for an attempt (1, 2, ...). Never waits.
  /// Errors: job_locked where a running process holds it or a newer attempt has had it.
  JobLock take_lock(std::int64_t attempt);
  /// The latest attempt that took the lock; 0 where none did.
  std::int64_t recorded_attempt() const;

  // ---- control
  bool cancel_requested() const;
  void request_cancel();
  void clear_cancel();

  // ---- checkpoints, NAME is a stage ("calibrate") or a part of one ("encode.layer-07")
  /// An empty folder to fill; earlier leftovers of the same name are removed. Files in it must be written
  /// with FileSystem::write_atomic or synced by their writer before publish_state.
  Path begin_state(const std::string& name);
  /// Makes state/NAME visible with the fingerprint of its inputs, replacing an older one.
  void publish_state(const std::string& name, const std::string& fingerprint);
  /// The same for a whole stage, whose inputs are then there to be read.
  void publish_state(const std::string& name, const StageInputs& inputs);
  /// The inputs that state/NAME was published with; nothing where there is no such state, or only its
  /// fingerprint. Errors: malformed_file.
  std::optional<StageInputs> inputs_of_state(const std::string& name) const;
  /// The folder, if it is there and was made from inputs with this fingerprint.
  std::optional<Path> find_state(const std::string& name, const std::string& fingerprint) const;
  void remove_state(const std::string& name);
  /// Removes what a crash left of unfinished publishing; called once after take_lock.
  void recover();

  // ---- result
  Path begin_result();
  void publish_result();

 private:
  JobDir(FileSystem& files, Path root) : files_(&files), root_(std::move(root)) {}
  Path temporary_state(const std::string& name) const;
  /// The lock is rank 0's; this guards state/ against the other ranks of an attempt that lost its rank 0.
  void check_attempt() const;

  FileSystem* files_;
  Path root_;
  std::optional<std::int64_t> attempt_;
};

}  // namespace cce
