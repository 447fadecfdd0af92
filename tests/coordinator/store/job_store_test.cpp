#include "coordinator/store/job_store.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

class Store : public ::testing::Test {
 protected:
  Store() { open(); }
  void open() { store_.emplace(folder_ / "jobs.sqlite"); }
  void reopen() {
    store_.reset();
    open();
  }
  NewJob new_job(const std::string& id, const std::string& key = "") {
    return {.id = id,
            .spec = R"({"model": ")" + id + "\"}",
            .model = "tiny",
            .stages = {"calibrate", "encode"},
            .time = 10.0,
            .key = key,
            .key_digest = key.empty() ? "" : "digest of " + key};
  }
  StoredJob only_job() {
    const std::vector<StoredJob> jobs = store_->load();
    EXPECT_EQ(jobs.size(), 1U);
    return jobs.at(0);
  }

  TemporaryFolder folder_;
  std::optional<JobStore> store_;
};

TEST_F(Store, a_job_reads_back_after_reopening) {
  store_->insert(new_job("one", "key"));
  store_->apply("one", JobAction::submit, {.time = 11.0, .event = 0, .run_name = "cce-one-1"});
  store_->record_submission("one", 1, "77");
  store_->apply("one", JobAction::see_running, {.time = 12.0, .event = 3});
  const Error error{ErrorCode::worker_died, "rank \"1\"", "signal 9", "", "resume"};
  store_->apply("one", JobAction::see_failed, {.time = 13.0, .event = 9, .error = error});
  reopen();
  const StoredJob job = only_job();
  EXPECT_EQ(job.id, "one");
  EXPECT_EQ(job.state, JobState::failed);
  EXPECT_EQ(job.stages, (std::vector<std::string>{"calibrate", "encode"}));
  EXPECT_EQ(job.current->scheduler_id, "77");
  EXPECT_EQ(job.current->run_name, "cce-one-1");
  EXPECT_EQ(job.current->submitted, 11.0);
  EXPECT_EQ(job.current->started, 12.0);
  EXPECT_EQ(job.current->ended, 13.0);
  ASSERT_EQ(job.transitions.size(), 4U);
  EXPECT_EQ(job.transitions[3].number, 4);
  EXPECT_EQ(job.transitions[3].event, 9);
  EXPECT_EQ(describe(*job.transitions[3].error), describe(error));
  EXPECT_EQ(store_->spec("one"), R"({"model": "one"})");
  EXPECT_EQ(store_->find_key("key")->digest, "digest of key");
  EXPECT_FALSE(store_->find_key("other"));
}

TEST_F(Store, every_cell_of_the_state_table_and_nothing_else) {
  // The shortest way into each state.
  const std::vector<std::pair<JobState, std::vector<JobAction>>> ways{
      {JobState::queued, {}},
      {JobState::submitting, {JobAction::submit}},
      {JobState::running, {JobAction::submit, JobAction::see_running}},
      {JobState::cancelling, {JobAction::submit, JobAction::request_cancel}},
      {JobState::cancelled, {JobAction::request_cancel}},
      {JobState::failed, {JobAction::refuse}},
      {JobState::completed, {JobAction::submit, JobAction::see_completed}},
      {JobState::lost, {JobAction::submit, JobAction::see_vanished}}};
  ASSERT_EQ(ways.size(), all_job_states.size());
  for (const auto& [from, way] : ways) {
    for (const JobAction action : all_job_actions) {
      const std::string id = std::string(state_name(from)) + "-" + std::to_string(static_cast<int>(action));
      SCOPED_TRACE(id);
      store_->insert(new_job(id));
      for (const JobAction step : way) {
        store_->apply(id, step, {.time = 1.0, .run_name = id + "-1"});
      }
      const TransitionDetails details{.time = 2.0, .new_attempt = 2, .run_name = id + "-2"};
      const std::optional<JobState> expected = next_state(from, action);
      if (expected) {
        const StoredTransition made = store_->apply(id, action, details);
        EXPECT_EQ(made.state, *expected);
        EXPECT_EQ(made.attempt, action == JobAction::resume ? 2 : 1);
      } else {
        expect_error([&] { store_->apply(id, action, details); }, ErrorCode::wrong_job_state,
                     std::string(state_name(from)));
      }
    }
  }
  reopen();
  for (const StoredJob& job : store_->load()) {
    ASSERT_FALSE(job.transitions.empty());
    EXPECT_EQ(job.transitions.back().state, job.state) << job.id;
    for (std::size_t i = 0; i < job.transitions.size(); ++i) {
      EXPECT_EQ(job.transitions[i].number, static_cast<std::int64_t>(i) + 1) << job.id;
    }
  }
}

TEST_F(Store, a_refused_move_changes_nothing) {
  store_->insert(new_job("one"));
  expect_error([&] { store_->apply("one", JobAction::resume, {.time = 2.0, .new_attempt = 2}); },
               ErrorCode::wrong_job_state, "queued");
  expect_error([&] { store_->apply("two", JobAction::submit, {}); }, ErrorCode::job_not_found, "two");
  // The attempt's name is taken: the whole move is undone with it.
  store_->insert(new_job("three"));
  store_->apply("one", JobAction::submit, {.time = 1.0, .run_name = "cce-one-1"});
  EXPECT_THROW(store_->apply("three", JobAction::submit, {.time = 1.0, .run_name = "cce-one-1"}), Error);
  reopen();
  EXPECT_EQ(store_->load()[1].state, JobState::queued);
  EXPECT_EQ(store_->load()[1].transitions.size(), 1U);
}

TEST_F(Store, events_of_transitions_never_go_back) {
  store_->insert(new_job("one"));
  store_->apply("one", JobAction::submit, {.time = 1.0, .event = 5, .run_name = "n"});
  EXPECT_EQ(store_->apply("one", JobAction::see_running, {.time = 1.0, .event = 3}).event, 5);
}

TEST_F(Store, a_key_is_taken_once) {
  store_->insert(new_job("one", "key"));
  expect_error([&] { store_->insert(new_job("two", "key")); }, ErrorCode::job_locked, "Idempotency-Key");
  EXPECT_EQ(only_job().id, "one");
}

TEST_F(Store, text_from_outside_is_data) {
  const std::string nasty = "x'); DROP TABLE jobs; --";
  store_->insert(new_job(nasty, nasty));
  EXPECT_EQ(only_job().id, nasty);
  EXPECT_EQ(store_->find_key(nasty)->job, nasty);
}

TEST_F(Store, other_files_are_refused) {
  std::ofstream(folder_ / "text.sqlite") << std::string(4096, 'x');
  expect_error([&] { JobStore(folder_ / "text.sqlite"); }, ErrorCode::malformed_file, "text.sqlite");
  expect_error([&] { JobStore(folder_ / "no/such/folder/jobs.sqlite"); }, ErrorCode::io_failure, "folder");
}

}  // namespace
}  // namespace cce
