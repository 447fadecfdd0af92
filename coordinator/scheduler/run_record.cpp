#include "coordinator/scheduler/run_record.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "coordinator/system/process_table.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

const std::vector<std::pair<std::string, RunEnd>> end_names{
    {"exited", RunEnd::exited}, {"signalled", RunEnd::signalled}, {"timed_out", RunEnd::timed_out}};

std::string end_name(RunEnd end) {
  for (const auto& [name, value] : end_names) {
    if (value == end) {
      return name;
    }
  }
  throw Error{.code = ErrorCode::invalid_argument,
              .where = "RunRecord::write_end",
              .found = "an end that no launcher sees",
              .expected = "exited, signalled or timed_out",
              .remedy = "Report this: it is a bug."};
}

bool is_the_same_process(const RunRecord::Launcher& launcher, const std::optional<ProcessFacts>& facts) {
  return facts && facts->start_ticks == launcher.start_ticks;
}

}  // namespace

RunRecord::RunRecord(FileSystem& files, const fs::path& folder, const std::string& name) : files_(files) {
  check_run_name(name);
  run_path_ = folder / (name + ".run");
  end_path_ = folder / (name + ".end");
  lock_path_ = folder / (name + ".lock");
}

std::unique_ptr<FileLock> RunRecord::claim() {
  std::unique_ptr<FileLock> lock = files_.lock(lock_path_);
  if (files_.exists(run_path_)) {
    throw Error{.code = ErrorCode::job_locked,
                .where = run_path_.string(),
                .found = "an earlier run of the same name",
                .expected = "a name that is used once",
                .remedy = "Resume the job: the next attempt has a name of its own."};
  }
  const std::optional<ProcessFacts> self = process_facts(::getpid());
  if (!self) {
    throw Error{.code = ErrorCode::io_failure,
                .where = "/proc/self/stat",
                .found = "nothing readable",
                .expected = "this process's start time",
                .remedy = "Mount /proc."};
  }
  files_.write_atomic(run_path_, pretty_json({{"pid", static_cast<std::int64_t>(self->pid)},
                                              {"start_ticks", self->start_ticks},
                                              {"boot_id", boot_id()}}));
  return lock;
}

void RunRecord::write_end(const RunState& state) {
  OrderedJson document{{"end", end_name(state.end)}};
  if (state.exit_status) {
    document["exit_status"] = *state.exit_status;
  }
  if (state.signal) {
    document["signal"] = *state.signal;
  }
  files_.write_atomic(end_path_, pretty_json(document));
}

std::optional<RunRecord::Launcher> RunRecord::launcher() const {
  if (!files_.exists(run_path_)) {
    return std::nullopt;
  }
  const std::string where = run_path_.string();
  const Json document = parse_json(files_.read_text(run_path_), where);
  JsonReader reader(document, where);
  Launcher launcher;
  launcher.pid = static_cast<pid_t>(reader.required("pid").integer({.lowest = 2, .highest = 1 << 30}));
  launcher.start_ticks = static_cast<std::uint64_t>(reader.required("start_ticks").integer({.lowest = 0}));
  launcher.boot = reader.required("boot_id").text();
  reader.refuse_unknown_keys();
  return launcher;
}

std::optional<RunState> RunRecord::end() const {
  if (!files_.exists(end_path_)) {
    return std::nullopt;
  }
  const std::string where = end_path_.string();
  const Json document = parse_json(files_.read_text(end_path_), where);
  JsonReader reader(document, where);
  RunState state{.phase = RunPhase::ended, .end = reader.required("end").choice(end_names)};
  if (const auto status = reader.optional("exit_status")) {
    state.exit_status = static_cast<int>(status->integer({.lowest = 0, .highest = 255}));
  }
  if (const auto signal = reader.optional("signal")) {
    state.signal = static_cast<int>(signal->integer({.lowest = 1, .highest = 64}));
  }
  reader.refuse_unknown_keys();
  return state;
}

bool RunRecord::launcher_lives() const {
  const std::optional<Launcher> recorded = launcher();
  return recorded && recorded->boot == boot_id() &&
         is_the_same_process(*recorded, process_facts(recorded->pid));
}

std::vector<pid_t> RunRecord::processes() const {
  const std::optional<Launcher> recorded = launcher();
  if (!recorded || recorded->boot != boot_id()) {
    return {};
  }
  const std::optional<ProcessFacts> facts = process_facts(recorded->pid);
  if (facts && facts->start_ticks != recorded->start_ticks) {
    return {};  // the kernel reuses a pid only when its session is empty: nothing of ours is left
  }
  std::vector<pid_t> family = session_members(recorded->pid);
  if (facts) {
    for (const pid_t process : descendants(recorded->pid)) {
      if (std::find(family.begin(), family.end(), process) == family.end()) {
        family.push_back(process);
      }
    }
  }
  return family;
}

RunState RunRecord::state() const {
  if (std::optional<RunState> recorded = end()) {
    return *recorded;
  }
  if (launcher_lives() || !processes().empty()) {
    return {.phase = RunPhase::running};
  }
  // The end may have been written between the two looks.
  return end().value_or(RunState{.phase = RunPhase::ended,
                                 .end = RunEnd::vanished,
                                 .exit_status = {},
                                 .signal = {},
                                 .reason = "its launcher is gone and left no record of the end"});
}

}  // namespace cce
