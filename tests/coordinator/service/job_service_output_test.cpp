#include "coordinator/service/job_service.h"

#include "coordinator/system/checksums.h"
#include "tests/coordinator/service/service_fixture.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ServiceOutput : public ServiceTest {
 protected:
  static std::string recipe_with(const std::string& output, int seed = 0) {
    Json recipe = Json::parse(ServiceTest::recipe(seed));
    recipe["output"] = output;
    return recipe.dump();
  }
  std::string create(const std::string& output) {
    return service_->create(recipe_with(output), std::nullopt).job->id;
  }
  void expect_taken(const std::string& output) {
    expect_error([&] { create(output); }, ErrorCode::job_locked, "no other open job");
  }
  fs::path out() const { return folder_ / "root/out"; }
};

TEST_F(ServiceOutput, two_open_jobs_never_have_one_output) {
  const std::string id = create("out");
  for (const char* output : {"out", "./out/", "out/inner"}) {
    expect_taken(output);
  }
  create("out-2");
  restart();
  expect_taken("out");
  service_->cancel(id);
  const std::string next = create("out");
  expect_error([&] { service_->resume(id); }, ErrorCode::job_locked, next);
  EXPECT_EQ(state(id), JobState::cancelled);
  reach(next, JobState::completed);
  EXPECT_EQ(service_->resume(id)->state, JobState::queued);
  expect_taken("out");
  reach(id, JobState::completed);
  EXPECT_TRUE(fs::exists(out() / checksums_name));
}

TEST_F(ServiceOutput, a_repeated_request_is_still_one_job) {
  const CreatedJob first = service_->create(recipe_with("out"), "key");
  EXPECT_EQ(service_->create(recipe_with("out"), "key").job->id, first.job->id);
  expect_error([&] { service_->create(recipe_with("out"), "other-key"); }, ErrorCode::job_locked,
               first.job->id);
}

TEST_F(ServiceOutput, what_was_added_to_an_earlier_result_is_refused_at_post) {
  reach(create("out"), JobState::completed);
  std::ofstream(out() / "mine.gguf") << "mine";
  expect_error([&] { create("out"); }, ErrorCode::impossible_combination, "mine.gguf");
  EXPECT_TRUE(fs::exists(out() / "mine.gguf"));
}

TEST_F(ServiceOutput, what_came_while_the_job_waited_is_refused_before_it_starts) {
  const std::string id = create("out");
  fs::create_directory(out());
  std::ofstream(out() / "mine") << "mine";
  reach(id, JobState::failed);
  EXPECT_TRUE(cluster_.runs.empty());
  EXPECT_THAT(describe_job(id), HasSubstr("mine"));
}

TEST_F(ServiceOutput, a_result_that_could_not_be_delivered_can_be_fetched_and_delivered_later) {
  const std::string id = create("out");
  reach(id, JobState::running);
  expect_error([&] { service_->artifact_root(id); }, ErrorCode::result_not_found, "running");
  fs::create_directory(out());
  std::ofstream(out() / "mine") << "mine";
  reach(id, JobState::failed);
  ASSERT_TRUE(service_->get(id)->error);
  EXPECT_THAT(service_->get(id)->error->found, HasSubstr("mine"));
  EXPECT_THAT(service_->get(id)->error->remedy, HasSubstr((folder_ / "data/jobs" / id / "result").string()));
  EXPECT_THAT(service_->get(id)->error->remedy, HasSubstr("cce fetch " + id));
  EXPECT_TRUE(fs::exists(service_->artifact_root(id) / checksums_name));
  EXPECT_TRUE(fs::exists(service_->report_path(id)));
  fs::remove(out() / "mine");
  service_->resume(id);
  reach(id, JobState::completed);
  EXPECT_TRUE(fs::exists(out() / checksums_name));
}

}  // namespace
}  // namespace cce
