#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "coordinator/service/job_table.h"

namespace cce {

/// Which open job writes to which output, so that no two write to one. A job holds its output from POST or
/// resume until it ends. Threads may share it.
class OutputClaims {
 public:
  /// Reads the outputs of the jobs that are open.
  explicit OutputClaims(JobTable& table);

  /// Runs `open`, which opens job `id`, unless another open job's output is `output`, lies in it or around
  /// it. `output`: resolved; empty: nothing is claimed. Errors: job_locked, and `open` is not called; those
  /// of `open`.
  JobViewPointer open_with(const std::string& id, const std::string& output,
                           const std::function<JobViewPointer()>& open);

 private:
  bool is_open(const std::string& id);

  JobTable& table_;
  std::mutex claiming_;
  std::map<std::string, std::filesystem::path> outputs_;  ///< by job
};

}  // namespace cce
