// The jobs' database on a disk that fails: every write of SQLite's, once, for each way in which it can fail.
// A call that fails has happened whole or not at all, here and after the process has died; made again, it
// leads where an undisturbed one does.
#include <gmock/gmock.h>

#include <filesystem>
#include <sstream>

#include "coordinator/store/job_store.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/faults/faulty_sqlite.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

/// All that a store holds, as text.
std::string contents(const JobStore& store) {
  std::ostringstream text;
  for (const StoredJob& job : store.load()) {
    text << job.id << " " << state_name(job.state) << " " << job.attempt;
    if (job.current) {
      text << " [" << job.current->run_name << " " << job.current->scheduler_id << " " << job.current->started
           << " " << job.current->ended << "]";
    }
    for (const StoredTransition& transition : job.transitions) {
      text << " " << transition.number << ":" << state_name(transition.state);
    }
    const std::optional<StoredKey> key = store.find_key(job.id);
    text << " key " << (key ? key->digest : "none") << "\n";
  }
  return text.str();
}

struct Call {
  const char* name;
  std::function<void(JobStore&)> make;
};

NewJob new_job(const std::string& id) {
  return {.id = id,
          .spec = std::string(6000, ' '),  // more than a page
          .model = "tiny",
          .stages = {"encode"},
          .time = 1.0,
          .key = id,
          .key_digest = "digest"};
}

/// What the service does with two jobs.
std::vector<Call> calls() {
  return {
      {"insert one", [](JobStore& store) { store.insert(new_job("one")); }},
      {"insert two", [](JobStore& store) { store.insert(new_job("two")); }},
      {"submit one",
       [](JobStore& store) {
         store.apply("one", JobAction::submit, {.time = 2.0, .run_name = "cce-one-1"});
       }},
      {"answer of one", [](JobStore& store) { store.record_submission("one", 1, "71"); }},
      {"one runs", [](JobStore& store) { store.apply("one", JobAction::see_running, {.time = 3.0}); }},
      {"two is cancelled",
       [](JobStore& store) { store.apply("two", JobAction::request_cancel, {.time = 4.0}); }},
      {"one completes", [](JobStore& store) { store.apply("one", JobAction::see_completed, {.time = 5.0}); }},
      {"two is resumed",
       [](JobStore& store) { store.apply("two", JobAction::resume, {.time = 6.0, .new_attempt = 2}); }},
  };
}

struct FaultRow {
  const char* name;
  FaultySqlite::Fault fault;
  ErrorCode code;
};

class StoreFaults : public ::testing::TestWithParam<FaultRow> {
 protected:
  static fs::path file(const fs::path& folder) { return folder / "jobs.sqlite"; }

  /// What a process finds that starts after this one has died here.
  std::string after_death(const fs::path& folder) {
    const TemporaryFolder image;
    for (const char* name : {"jobs.sqlite", "jobs.sqlite-wal"}) {
      if (fs::exists(folder / name)) {
        fs::copy_file(folder / name, image / name);
      }
    }
    return contents(JobStore(file(image.path())));
  }

  /// The store, opened; the fault may be met on the way.
  std::optional<JobStore> open(const fs::path& folder) {
    std::optional<JobStore> store;
    try {
      store.emplace(file(folder));
    } catch (const Error& error) {
      check_error(error);
      store.emplace(file(folder));
    }
    return store;
  }

  void check_error(const Error& error) {
    ++errors_;
    EXPECT_EQ(error.code, GetParam().code) << describe(error);
    EXPECT_THAT(error.where, ::testing::HasSubstr("jobs.sqlite"));
    EXPECT_FALSE(error.remedy.empty()) << describe(error);
  }

  void make(const Call& call, JobStore& store, const fs::path& folder) {
    const std::string before = contents(store);
    try {
      call.make(store);
    } catch (const Error& error) {
      check_error(error);
      EXPECT_EQ(contents(store), before) << call.name << ": a part of it has happened";
      const std::string found = after_death(folder);
      call.make(store);  // the fault is over
      EXPECT_TRUE(found == before || found == contents(store)) << call.name << ", then death:\n" << found;
    }
  }

  FaultySqlite disk_;
  int errors_ = 0;
};

TEST_P(StoreFaults, at_every_step_a_call_happens_whole_or_not_at_all) {
  const TemporaryFolder calm;
  JobStore undisturbed(file(calm.path()));
  for (const Call& call : calls()) {
    call.make(undisturbed);
  }
  const std::string expected = contents(undisturbed);

  std::int64_t steps = 1;
  for (std::int64_t step = 1; step <= steps && !HasFailure(); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    const TemporaryFolder folder;
    FaultySqlite::Fault fault = GetParam().fault;
    fault.step = step;
    disk_.set_fault(fault);
    std::optional<JobStore> store = open(folder.path());
    for (const Call& call : calls()) {
      make(call, *store, folder.path());
    }
    EXPECT_EQ(contents(*store), expected);
    store.reset();
    steps = std::max(steps, disk_.steps());
    disk_.mend();
    EXPECT_EQ(contents(JobStore(file(folder.path()))), expected);
  }
  EXPECT_GT(steps, 40);
  EXPECT_GT(errors_, 20);
}

const FaultRow fault_rows[] = {
    {"no_space", {.code = SQLITE_FULL}, ErrorCode::disk_full},
    {"no_space_for_all_of_a_write", {.code = SQLITE_FULL, .torn = true}, ErrorCode::disk_full},
    {"a_write_fails", {.code = SQLITE_IOERR_WRITE, .torn = true}, ErrorCode::io_failure},
    {"a_sync_fails", {.code = SQLITE_IOERR_FSYNC}, ErrorCode::io_failure},
};
INSTANTIATE_TEST_SUITE_P(Disk, StoreFaults, ::testing::ValuesIn(fault_rows),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace cce
