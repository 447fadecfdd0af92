// The service on a disk that fails or is full: what could not be stored has not happened, what runs goes on,
// and once there is room again everything ends as it would have.
#include <sstream>

#include "coordinator/api/api.h"
#include "tests/coordinator/service/engine_faults.h"
#include "tests/faults/faulty_sqlite.h"

namespace cce {
namespace {

using ::testing::HasSubstr;

constexpr FaultySqlite::Fault full_disk{.step = 1, .code = SQLITE_FULL, .torn = true, .lasting = true};

class EngineDisk : public EngineFaults {
 protected:
  EngineDisk() { begin_world(); }
  ~EngineDisk() override { kill(); }  // its database goes before the disk

  /// As a client repeats what was answered with an error.
  void create_patiently() {
    for (int i = 0; i < 2; ++i) {
      const std::string key = "key-" + std::to_string(i);
      try {
        ids_.push_back(service_->create(recipe(i), key).job->id);
      } catch (const Error& error) {
        EXPECT_FALSE(error.remedy.empty()) << describe(error);
        EXPECT_TRUE(service_->list(std::nullopt, "", 10).jobs.size() == ids_.size()) << "no half of a job";
        ids_.push_back(service_->create(recipe(i), key).job->id);
      }
    }
  }

  FaultySqlite disk_;
};

class EngineWrites : public EngineDisk, public ::testing::WithParamInterface<int> {};

TEST_P(EngineWrites, each_may_fail_once) {
  std::int64_t steps = 1;
  for (std::int64_t step = 1; step <= steps; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    disk_.mend();  // of a fault past the last write of the run before, which had none to repeat
    begin_world();
    disk_.set_fault({.step = step, .code = GetParam(), .torn = true});
    create_patiently();
    follow_to_the_end();
    steps = std::max(steps, disk_.steps());
    check_world();
    const ServiceMetrics metrics = service_->metrics();
    EXPECT_EQ(metrics.tensor_bytes_before_total, 2 * 4000.0) << "a result counts once";
    if (HasFailure()) {
      return;
    }
  }
  EXPECT_GT(steps, 40);
}

INSTANTIATE_TEST_SUITE_P(Disk, EngineWrites, ::testing::Values(SQLITE_FULL, SQLITE_IOERR_WRITE),
                         [](const auto& row) {
                           return std::string(row.param == SQLITE_FULL ? "no_space" : "a_write_fails");
                         });

TEST_F(EngineDisk, a_full_disk_refuses_jobs_with_a_remedy_and_takes_them_later) {
  std::ostringstream log_text;
  Logger log(LogLevel::info, "test", &log_text);
  Api api(*service_, AccessPolicy{}, log);
  const auto post = [&](Api& asked) {
    const HttpRequest request{
        .method = "POST",
        .target = "/v1/jobs",
        .headers = {{"host", "localhost"}, {"content-type", "application/json"}, {"idempotency-key", "key"}},
        .body = recipe()};
    return asked.check_head(request).answer(request);
  };
  disk_.set_fault(full_disk);
  const HttpResponse refused = post(api);
  EXPECT_EQ(refused.status, 507);
  EXPECT_EQ(refused.header("content-type"), "application/problem+json");
  const Json problem = parse_json(refused.body, "problem");
  EXPECT_EQ(problem["code"], "disk_full");
  EXPECT_THAT(problem["remedy"].get<std::string>(), HasSubstr("space"));
  EXPECT_EQ(refused.body.find(folder_.path().string()), std::string::npos) << refused.body;
  EXPECT_THAT(log_text.str(), HasSubstr("jobs.sqlite"));
  EXPECT_TRUE(service_->list(std::nullopt, "", 10).jobs.empty());
  EXPECT_EQ(error_of([&] { restart(); }).code, ErrorCode::disk_full)
      << "nor does a server begin without room";

  disk_.mend();
  restart();
  EXPECT_TRUE(service_->list(std::nullopt, "", 10).jobs.empty());
  Api later(*service_, AccessPolicy{}, log);
  const HttpResponse taken = post(later);
  EXPECT_EQ(taken.status, 201) << taken.body;
  reach(parse_json(taken.body, "job")["id"], JobState::completed);
}

TEST_F(EngineDisk, a_run_that_ends_on_a_full_disk_is_seen_to_have_ended_once_there_is_room) {
  const std::string id = create();
  ids_ = {id};
  reach(id, JobState::running);
  disk_.set_fault(full_disk);
  for (int i = 0; i < 10; ++i) {
    round();
    followers_[id].read(*service_, id);
  }
  EXPECT_TRUE(run_of(id).state.ended());
  EXPECT_EQ(state(id), JobState::running) << "what is stored moves first";
  EXPECT_GT(service_->metrics().engine_errors, 3U);
  EXPECT_EQ(error_of([&] { service_->cancel(id); }).code, ErrorCode::disk_full);
  EXPECT_EQ(state(id), JobState::running);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "data/jobs" / id / "control/cancel"));
  disk_.mend();
  reach(id, JobState::completed);
  EXPECT_EQ(service_->metrics().perplexities.size(), 1U);
  check_world();
}

TEST_F(EngineDisk, an_answer_that_cannot_be_stored_leaves_no_run_behind) {
  const std::string id = create();
  ids_ = {id};
  cluster_.on_submit = [&] { disk_.set_fault(full_disk); };
  service_->step();
  EXPECT_EQ(state(id), JobState::submitting);
  EXPECT_EQ(cluster_.runs.size(), 1U);
  cluster_.on_submit = nullptr;
  disk_.mend();
  follow_to_the_end();
  check_world();
}

TEST_F(EngineDisk, a_queued_job_waits_for_room_for_its_folder) {
  const std::string id = create();
  const std::string other = create(1);
  files_.set_fault({.step = 1, .code = ErrorCode::disk_full, .torn = true, .dead = true});
  for (int i = 0; i < 5; ++i) {
    round();
  }
  EXPECT_EQ(state(id), JobState::queued);
  EXPECT_THAT(service_->get(id)->waiting_reason, HasSubstr("disk_full"));
  EXPECT_EQ(service_->cancel(other)->state, JobState::cancelled) << "waiting jobs can be withdrawn";
  files_.set_fault({});
  now_ = now_ + 30.0;
  reach(id, JobState::completed);
  EXPECT_THAT(service_->get(id)->waiting_reason, ::testing::IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(folder_ / "data/jobs" / id / "result/recipe.yaml"));
}

TEST_F(EngineDisk, a_folder_that_was_made_in_part_is_finished) {
  for (std::int64_t step = 1; !HasFailure(); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    disk_.mend();  // of a fault past the last write of the run before, which had none to repeat
    begin_world();
    const std::string id = create();
    files_.set_fault({.step = step, .code = ErrorCode::disk_full, .torn = true});
    service_->step();
    files_.set_fault({});
    if (state(id) != JobState::queued) {  // the folder was there before the fault
      EXPECT_GT(step, 5);
      return;
    }
    now_ = now_ + 30.0;
    reach(id, JobState::completed);
    EXPECT_TRUE(std::filesystem::exists(folder_ / "data/jobs" / id / "result/recipe.yaml"));
  }
}

}  // namespace
}  // namespace cce
