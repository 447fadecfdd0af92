#pragma once
/// A scheduler for tests of the engine: runs are values, their workers write real job directories a step at a
/// time, and every call can fail or be the last one of its process.
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/job/job_dir.h"
#include "common/job/job_event.h"
#include "coordinator/scheduler/scheduler.h"

namespace cce {

/// The process ends here: no Error, so nothing in the product catches it.
struct Killed {};

/// What happens at one call. `killed` ends the process; otherwise the call throws `code`. `after`: when its
/// effect has happened.
struct CallFault {
  std::int64_t call = 0;  ///< 1 for the first; 0 for none
  bool after = false;
  bool killed = false;
  ErrorCode code = ErrorCode::io_failure;
};

struct FakeRun {
  Launch launch;
  RunState state{.phase = RunPhase::waiting};
  int ticks = 0;
  int starts = 0;
  bool hears_cancel = true;
};

/// Survives the engines that use it, as a cluster does.
class FakeCluster {
 public:
  std::map<std::string, FakeRun> runs;     ///< by name; the id is "id-" + name
  std::map<std::string, int> submissions;  ///< by name
  CallFault fault;
  std::function<void()> on_submit;  ///< called when a run has been taken
  std::int64_t calls = 0;
  SchedulerTraits traits{
      .name = "fake", .most_runs = std::nullopt, .poll_seconds = 0.0, .settle_seconds = 0.0};

  FakeRun& by_id(const std::string& id) {
    const auto found = runs.find(id.substr(id.find('-') + 1));
    if (found == runs.end()) {
      throw Error{ErrorCode::invalid_argument, "FakeCluster", id, "an id that submit returned", ""};
    }
    return found->second;
  }

  /// Every live run goes one step further: it starts, works, ends with a result.
  void tick() {
    for (auto& [name, run] : runs) {
      if (!run.state.ended()) {
        tick(run);
      }
    }
  }

  /// Calls `body` with what the fault says of this call.
  template <typename Body>
  auto call(const Body& body) {
    ++calls;
    const bool is_faulty = calls == fault.call;
    if (is_faulty && !fault.after) {
      fail();
    }
    auto answer = body();
    if (is_faulty) {
      fail();
    }
    return answer;
  }

 private:
  [[noreturn]] void fail() const {
    if (fault.killed) {
      throw Killed{};
    }
    throw Error{fault.code, "FakeCluster", "a planted failure", "", ""};
  }

  void write(const FakeRun& run, const std::string& type, const std::string& stage) {
    EventLog log(files_, run.launch.job_dir / "events.jsonl", [] { return 5.0; });
    JobEvent event;
    event.kind = event_kind_named(type);
    event.stage = stage;
    if (type == "started") {
      event.ranks = {{"node-1", "cpu", 0}, {"node-2", "cpu", 0}};
      event.metrics["attempt"] = static_cast<double>(run.launch.attempt);
    }
    if (type == "stage_done") {
      event.metrics = {{"seconds", 2.0}, {"tokens", 100.0}};
    }
    log.append(event);
  }

  void end(FakeRun& run, int exit_status) {
    run.state = {.phase = RunPhase::ended, .end = RunEnd::exited, .exit_status = exit_status};
  }

  void tick(FakeRun& run) {
    ++run.ticks;
    if (run.ticks == 1) {
      run.state.phase = RunPhase::running;
      ++run.starts;
      write(run, "started", "");
    } else if (run.hears_cancel && std::filesystem::exists(run.launch.job_dir / "control/cancel")) {
      write(run, "cancelled", "encode");
      end(run, 5);
    } else if (run.ticks == 2) {
      write(run, "stage_started", "encode");
      write(run, "progress", "encode");
    } else if (run.ticks == 3) {
      write(run, "stage_done", "encode");
    } else if (run.ticks >= 4) {  // tests set it far below zero to keep a run from ending
      write_result(run.launch.job_dir);
      write(run, "done", "");
      end(run, 0);
    }
  }

  static void write_result(const std::filesystem::path& job) {
    std::filesystem::create_directories(job / "result");
    std::ofstream(job / "result/report.json")
        << R"({"schema_version":1,"model":{"name":"tiny","architecture":"LlamaForCausalLM","layers":2},)"
        << R"("params":{"blocks":{"before":1000,"after":700}},"bytes":{"before":4000,"after":3000},)"
        << R"("evaluation":{"perplexity":{"wiki":{"before":20.0,"after":25.0}}}})";
  }

  PosixFileSystem files_;
};

class FakeScheduler final : public Scheduler {
 public:
  explicit FakeScheduler(FakeCluster& cluster) : cluster_(cluster) {}

  SchedulerTraits traits() const override { return cluster_.traits; }
  void check(const Launch& launch) const override {
    if (launch.partition == "refused") {
      throw Error{.code = ErrorCode::unsupported,
                  .where = "resources.partition",
                  .found = launch.name + " in " + launch.job_dir.filename().string(),
                  .expected = "",
                  .remedy = ""};
    }
  }
  std::string submit(const Launch& launch) override {
    return cluster_.call([&] {
      ++cluster_.submissions[launch.name];
      cluster_.runs[launch.name].launch = launch;
      if (cluster_.on_submit) {
        cluster_.on_submit();
      }
      return "id-" + launch.name;
    });
  }
  std::optional<std::string> find(const std::string& name) override {
    return cluster_.call(
        [&] { return cluster_.runs.contains(name) ? std::optional("id-" + name) : std::nullopt; });
  }
  RunState state(const std::string& id) override {
    return cluster_.call([&] { return cluster_.by_id(id).state; });
  }
  void terminate(const std::string& id) override {
    cluster_.call([&] {
      FakeRun& run = cluster_.by_id(id);
      if (!run.state.ended()) {
        run.state = {.phase = RunPhase::ended, .end = RunEnd::cancelled};
      }
      return 0;
    });
  }

 private:
  FakeCluster& cluster_;
};

}  // namespace cce
