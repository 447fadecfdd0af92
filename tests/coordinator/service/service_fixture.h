#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/json_reader.h"
#include "coordinator/service/job_service.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/coordinator/service/fake_cluster.h"
#include "tests/faults/faulty_file_system.h"

namespace cce {

/// A service over a fake cluster, with a clock that tests move, that can be killed and started again.
class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    std::filesystem::create_directories(folder_ / "root");
    std::filesystem::copy(std::filesystem::path(CCE_TESTS_DIR) / "data/models/stories260K",
                          folder_ / "root/model");
    std::ofstream(folder_ / "root/text.txt") << "Once upon a time there was a test.\n";
    start();
  }

  void start() {
    scheduler_.emplace(cluster_);
    ServiceOptions options{.data = folder_ / "data",
                           .roots = {folder_ / "root"},
                           .worker = "/bin/true",
                           .most_active = 2,
                           .most_queued = 5,
                           .cancel_seconds = 20.0,
                           .submit_retry_seconds = 100.0,
                           .machine = {.cores = 4, .memory_bytes = std::int64_t{8} << 30, .has_bf16 = false},
                           .clock = [this] { return read_clock(); }};
    service_ = std::make_unique<JobService>(files_, *scheduler_, options);
  }
  /// The end of the process, as far as this process can show it: nothing is written any more.
  void kill() { service_.reset(); }
  void restart() {
    kill();
    start();
  }

  static std::string recipe(int seed = 0) {
    return R"({"model": "model", "seed": )" + std::to_string(seed) +
           R"(, "calibration": {"text": ["text.txt"], "length": 128, "sequences": 4},)" +
           R"( "resources": {"ranks": 1, "threads": 1}})";
  }
  std::string create(int seed = 0) { return service_->create(recipe(seed), std::nullopt).job->id; }
  JobState state(const std::string& id) { return service_->get(id)->state; }

  /// One round of the world: the engine, then the cluster, then time.
  void round() {
    service_->step();
    cluster_.tick();
    now_ += 1.0;
  }
  /// Rounds until the job is in the state.
  void reach(const std::string& id, JobState wanted, int most_rounds = 50) {
    for (int i = 0; i < most_rounds && state(id) != wanted; ++i) {
      round();
    }
    ASSERT_EQ(state_name(state(id)), state_name(wanted)) << describe_job(id);
  }
  std::string describe_job(const std::string& id) {
    const JobViewPointer job = service_->get(id);
    return std::string(state_name(job->state)) + (job->error ? ": " + describe(*job->error) : "") + " " +
           job->waiting_reason;
  }
  FakeRun& run_of(const std::string& id, int attempt = 1) {
    return cluster_.runs.at("cce-" + id + "-" + std::to_string(attempt));
  }
  /// The names of the states that a job went through, in order.
  std::vector<std::string> history(const std::string& id) {
    std::vector<std::string> names;
    for (const StreamItem& item : service_->events(id, {}, 1000)) {
      if (item.is_state) {
        names.push_back(Json::parse(item.json)["state"]);
      }
    }
    return names;
  }

  double read_clock() {
    if (++clock_reads_ == kill_at_clock_read_) {
      throw Killed{};
    }
    return now_;
  }

  TemporaryFolder folder_;
  PosixFileSystem real_files_;
  FaultyFileSystem files_{real_files_};  ///< without a fault until a test sets one
  FakeCluster cluster_;
  std::atomic<double> now_ = 1000.0;
  std::atomic<std::int64_t> clock_reads_ = 0;
  std::atomic<std::int64_t> kill_at_clock_read_ = 0;
  std::optional<FakeScheduler> scheduler_;
  std::unique_ptr<JobService> service_;
};

}  // namespace cce
