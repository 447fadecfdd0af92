#include "coordinator/service/job_service.h"
#include "common/job/numerics_record.h"

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "common/job/job_dir.h"
#include "tests/coordinator/service/service_fixture.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(ServiceTest, a_job_runs_to_its_end) {
  const std::string id = create();
  EXPECT_THAT(id, ::testing::MatchesRegex("[a-z2-7]{20}"));
  EXPECT_EQ(state(id), JobState::queued);
  reach(id, JobState::completed);
  EXPECT_THAT(history(id), ElementsAre("queued", "submitting", "running", "completed"));
  const JobViewPointer job = service_->get(id);
  EXPECT_EQ(job->scheduler_id, "id-cce-" + id + "-1");
  EXPECT_EQ(job->attempt, 1);
  EXPECT_EQ(job->stage, "encode");
  EXPECT_EQ(job->model, "model");
  ASSERT_EQ(job->ranks.size(), 2U);
  EXPECT_EQ(job->ranks[1].host, "node-2");
  ASSERT_EQ(job->finished_stages.size(), 1U);
  EXPECT_EQ(job->finished_stages[0].tokens, 100.0);
  EXPECT_GT(job->times.ended, job->times.started);
  EXPECT_FALSE(job->error);
  EXPECT_TRUE(fs::exists(service_->report_path(id)));
  EXPECT_TRUE(fs::exists(service_->artifact_root(id) / "report.html"));
  EXPECT_THAT(service_->spec_json(id), HasSubstr("\"sequences\": 4"));
  EXPECT_EQ(run_of(id).launch.job_dir, folder_ / "data/jobs" / id);
}

TEST_F(ServiceTest, a_finished_job_reads_the_same_after_a_restart) {
  const std::string id = create();
  reach(id, JobState::completed);
  const std::vector<StreamItem> before = service_->events(id, {}, 1000);
  const JobViewPointer job = service_->get(id);
  restart();
  const JobViewPointer again = service_->get(id);
  EXPECT_EQ(again->stage, job->stage);
  EXPECT_EQ(again->ranks.size(), job->ranks.size());
  EXPECT_EQ(again->position, job->position);
  EXPECT_EQ(again->times.ended, job->times.ended);
  const std::vector<StreamItem> after = service_->events(id, {}, 1000);
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].position, before[i].position);
    EXPECT_EQ(after[i].json, before[i].json);
  }
}

TEST_F(ServiceTest, no_more_at_once_than_allowed_and_in_order) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(create(i));
  }
  expect_error([&] { create(9); }, ErrorCode::queue_full, "queue");
  service_->step();
  EXPECT_EQ(cluster_.runs.size(), 2U);
  EXPECT_TRUE(cluster_.runs.contains("cce-" + ids[0] + "-1"));
  EXPECT_TRUE(cluster_.runs.contains("cce-" + ids[1] + "-1"));
  for (const std::string& id : ids) {
    reach(id, JobState::completed);
  }
}

TEST_F(ServiceTest, a_repeated_request_is_one_job) {
  const CreatedJob first = service_->create(recipe(), "key-1");
  EXPECT_TRUE(first.is_new);
  const CreatedJob second = service_->create(recipe(), "key-1");
  EXPECT_FALSE(second.is_new);
  EXPECT_EQ(second.job->id, first.job->id);
  restart();
  fs::remove_all(folder_ / "root/model");  // the recipe's files are not looked at again
  EXPECT_EQ(service_->create(recipe(), "key-1").job->id, first.job->id);
  expect_error([&] { service_->create(recipe(7), "key-1"); }, ErrorCode::impossible_combination,
               "Idempotency-Key");
  for (const std::string& key :
       {std::string(), std::string(201, 'k'), std::string("a b"), std::string("a\n")}) {
    expect_error([&] { service_->create(recipe(), key); }, ErrorCode::out_of_range, "Idempotency-Key");
  }
  EXPECT_EQ(service_->list(std::nullopt, "", 10).jobs.size(), 1U);
}

TEST_F(ServiceTest, equal_keys_at_once_are_one_job) {
  std::vector<std::string> ids(8);
  std::vector<std::thread> threads;
  for (std::string& id : ids) {
    threads.emplace_back([&] { id = service_->create(recipe(), "same").job->id; });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), 1U);
}

TEST_F(ServiceTest, bad_recipes_leave_nothing) {
  struct Row {
    std::string recipe;
    ErrorCode code;
    const char* part;
  };
  const Row rows[] = {
      {"", ErrorCode::malformed_request, "request body"},
      {"{\"model\": \"model\", \"model\": \"model\"}", ErrorCode::malformed_request, "model"},
      {"[]", ErrorCode::wrong_type, ""},
      {"{}", ErrorCode::wrong_type, "model"},
      {R"({"model": "/etc"})", ErrorCode::out_of_range, "model"},
      {R"({"model": "no-model"})", ErrorCode::missing_file, "model"},
      {R"({"model": "model"})", ErrorCode::missing_file, "calibration.text"},
      {R"({"model": "model", "modell": 1})", ErrorCode::unknown_key, "modell"},
      {R"({"model": "model", "stages": ["evaluate"]})", ErrorCode::unknown_key, "stages"},
      {R"({"model": "model", "model_digest": "0"})", ErrorCode::unknown_key, "model_digest"},
      {R"({"model": "model", "finetune": {"teacher_digest": "0"}})", ErrorCode::unknown_key,
       "teacher_digest"},
      {R"({"model": "model", "output": "../out"})", ErrorCode::out_of_range, "output"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.recipe);
    expect_error([&] { service_->create(row.recipe, "key"); }, row.code, row.part);
  }
  EXPECT_TRUE(service_->list(std::nullopt, "", 10).jobs.empty());
  EXPECT_TRUE(service_->create(recipe(), "key").is_new) << "a refused request does not use up its key";
}

TEST_F(ServiceTest, lists_are_paged_and_filtered) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(create(i));
  }
  service_->cancel(ids[1]);
  service_->cancel(ids[3]);
  JobPage page = service_->list(std::nullopt, "", 2);
  EXPECT_EQ(page.jobs[0]->id, ids[4]);
  EXPECT_EQ(page.jobs[1]->id, ids[3]);
  page = service_->list(std::nullopt, page.next, 2);
  EXPECT_EQ(page.jobs[0]->id, ids[2]);
  page = service_->list(std::nullopt, page.next, 2);
  EXPECT_EQ(page.jobs.size(), 1U);
  EXPECT_EQ(page.next, "");
  page = service_->list(JobState::cancelled, "", 1);
  EXPECT_EQ(page.jobs[0]->id, ids[3]);
  page = service_->list(JobState::cancelled, page.next, 1);
  EXPECT_EQ(page.jobs[0]->id, ids[1]);
  EXPECT_EQ(page.next, "");
  expect_error([&] { service_->list(std::nullopt, "nobody", 2); }, ErrorCode::job_not_found, "nobody");
}

TEST_F(ServiceTest, cancel_of_a_queued_job_starts_nothing) {
  const std::string id = create();
  EXPECT_EQ(service_->cancel(id)->state, JobState::cancelled);
  EXPECT_EQ(service_->cancel(id)->state, JobState::cancelled);
  round();
  EXPECT_TRUE(cluster_.runs.empty());
}

TEST_F(ServiceTest, cancel_stops_at_a_safe_point_and_resume_goes_on) {
  const std::string id = create();
  reach(id, JobState::running);
  EXPECT_EQ(service_->cancel(id)->state, JobState::cancelling);
  reach(id, JobState::cancelled);
  EXPECT_EQ(run_of(id).state.exit_status, 5);
  EXPECT_EQ(service_->resume(id)->attempt, 2);
  reach(id, JobState::completed);
  EXPECT_THAT(history(id), ElementsAre("queued", "submitting", "running", "cancelling", "cancelled", "queued",
                                       "submitting", "running", "completed"));
  EXPECT_EQ(run_of(id, 2).launch.attempt, 2);
  EXPECT_EQ(run_of(id, 2).launch.job_dir, run_of(id).launch.job_dir);
  expect_error([&] { service_->resume(id); }, ErrorCode::wrong_job_state, "completed");
  expect_error([&] { service_->cancel(id); }, ErrorCode::wrong_job_state, "completed");
}

TEST_F(ServiceTest, a_resume_allows_other_numerics_only_where_it_says_so) {
  const std::string id = create();
  reach(id, JobState::running);
  PosixFileSystem files;
  JobDir job = JobDir::open(files, run_of(id).launch.job_dir);
  write_numerics(files, job, {.kinds = {{.build = "one", .facts = {{"openblas", "SkylakeX"}}}}});
  expect_error([&] { service_->resume(id, true); }, ErrorCode::wrong_job_state, "running");
  EXPECT_FALSE(read_numerics(files, job)->next_may_differ) << "that attempt has begun";
  service_->cancel(id);
  reach(id, JobState::cancelled);
  service_->resume(id);
  EXPECT_FALSE(read_numerics(files, job)->next_may_differ);
  service_->cancel(id);
  service_->resume(id, true);
  EXPECT_TRUE(read_numerics(files, job)->next_may_differ);
}

TEST_F(ServiceTest, runs_are_given_the_server_s_numeric_variables) {
  ::setenv("OPENBLAS_CORETYPE", "Haswell", 1);
  const std::string id = create();
  reach(id, JobState::running);
  ::unsetenv("OPENBLAS_CORETYPE");
  EXPECT_EQ(run_of(id).launch.environment.at("OPENBLAS_CORETYPE"), "Haswell");
}

TEST_F(ServiceTest, a_worker_that_hears_nothing_is_ended) {
  const std::string id = create();
  reach(id, JobState::running);
  FakeRun& run = run_of(id);
  run.hears_cancel = false;
  run.ticks = -1000;  // and never ends by itself
  service_->cancel(id);
  round();
  EXPECT_TRUE(fs::exists(run.launch.job_dir / "control/cancel"));
  EXPECT_FALSE(run.state.ended());
  now_ += 20.0;
  round();
  EXPECT_TRUE(run.state.ended());
  reach(id, JobState::cancelled);
}

TEST_F(ServiceTest, a_run_that_waits_in_the_schedulers_queue_is_withdrawn) {
  const std::string id = create();
  service_->step();
  ASSERT_EQ(state(id), JobState::submitting);
  run_of(id).state.reason = "Resources";
  service_->step();
  EXPECT_EQ(service_->get(id)->waiting_reason, "Resources");
  service_->cancel(id);
  service_->step();
  service_->step();
  EXPECT_EQ(state(id), JobState::cancelled);
  EXPECT_EQ(run_of(id).starts, 0);
}

TEST_F(ServiceTest, what_the_scheduler_cannot_honour_makes_no_job) {
  Json asked = Json::parse(recipe());
  asked["resources"]["partition"] = "refused";
  const Error error = error_of([&] { service_->create(asked.dump(), std::nullopt); });
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_EQ(error.where, "resources.partition");
  EXPECT_TRUE(service_->list(std::nullopt, "", 10).jobs.empty());
}

struct EndRow {
  const char* name;
  RunState state;
  JobState expected;
  const char* error;
};
class OutsideEnd : public ServiceTest, public ::testing::WithParamInterface<EndRow> {};

TEST_P(OutsideEnd, is_noticed) {
  const std::string id = create();
  reach(id, JobState::running);
  run_of(id).state = GetParam().state;
  run_of(id).state.phase = RunPhase::ended;
  now_ += 1.0;
  service_->step();
  now_ += 10.0;  // an end without a word and without a failure waits for late events
  service_->step();
  EXPECT_EQ(state_name(state(id)), state_name(GetParam().expected));
  ASSERT_TRUE(service_->get(id)->error);
  EXPECT_THAT(describe(*service_->get(id)->error), HasSubstr(GetParam().error));
  EXPECT_EQ(service_->resume(id)->state, JobState::queued);
  reach(id, JobState::completed);
  EXPECT_FALSE(service_->get(id)->error);
}

const EndRow end_rows[] = {
    {"scancel", {.end = RunEnd::cancelled}, JobState::cancelled, "cancelled at the scheduler"},
    {"time_limit", {.end = RunEnd::timed_out}, JobState::failed, "time_limit"},
    {"node_lost", {.end = RunEnd::node_failed, .reason = "NODE_FAIL"}, JobState::failed, "NODE_FAIL"},
    {"memory", {.end = RunEnd::out_of_memory}, JobState::failed, "does_not_fit"},
    {"killed", {.end = RunEnd::signalled, .signal = 9}, JobState::failed, "signal 9"},
    {"exit_status", {.end = RunEnd::exited, .exit_status = 17}, JobState::failed, "exit status 17"},
    {"silence", {.end = RunEnd::exited, .exit_status = 0}, JobState::failed, "without a last word"},
    {"vanished", {.end = RunEnd::vanished}, JobState::lost, "knows nothing"},
};
INSTANTIATE_TEST_SUITE_P(ServiceTest, OutsideEnd, ::testing::ValuesIn(end_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(ServiceTest, a_lost_run_that_turns_up_again_is_followed) {
  const std::string id = create();
  reach(id, JobState::running);
  const RunState running = run_of(id).state;
  run_of(id).state = {.phase = RunPhase::ended, .end = RunEnd::vanished};
  now_ += 1.0;
  service_->step();
  ASSERT_EQ(state(id), JobState::lost);
  run_of(id).state = running;
  now_ += 60.0;
  reach(id, JobState::completed);
  EXPECT_EQ(run_of(id).starts, 1);
}

TEST_F(ServiceTest, a_requeued_run_waits_and_runs_again) {
  const std::string id = create();
  reach(id, JobState::running);
  run_of(id).state = {.phase = RunPhase::waiting};
  run_of(id).ticks = 0;
  service_->step();
  EXPECT_EQ(state(id), JobState::submitting);
  reach(id, JobState::completed);
  EXPECT_EQ(run_of(id).starts, 2);
  EXPECT_EQ(service_->get(id)->attempt, 1);
}

TEST_F(ServiceTest, one_server_a_folder) {
  FakeScheduler other(cluster_);
  ServiceOptions options;
  options.data = folder_ / "data";
  expect_error([&] { JobService(files_, other, options); }, ErrorCode::job_locked, "lock");
}

TEST_F(ServiceTest, unknown_jobs_are_told_by_every_call) {
  const std::string id = "aaaaaaaaaaaaaaaaaaaa";
  const std::function<void()> calls[] = {
      [&] { service_->get(id); },           [&] { service_->cancel(id); },
      [&] { service_->resume(id); },        [&] { service_->events(id, {}, 1); },
      [&] { service_->spec_json(id); },     [&] { service_->report_path(id); },
      [&] { service_->artifact_root(id); }, [&] { service_->log_path(id); }};
  for (const auto& call : calls) {
    const Error error = error_of(call);
    EXPECT_EQ(error.code, ErrorCode::job_not_found);
    EXPECT_EQ(error.where, "job " + id);
  }
  const std::string queued = create();
  expect_error([&] { service_->report_path(queued); }, ErrorCode::result_not_found, "report of job");
  expect_error([&] { service_->artifact_root(queued); }, ErrorCode::result_not_found, "artifacts of job");
}

}  // namespace
}  // namespace cce
