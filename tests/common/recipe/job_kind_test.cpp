#include "common/recipe/job_kind.h"

#include <gmock/gmock.h>

#include <set>

#include "common/recipe/job_spec.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

using ::testing::ElementsAre;

TEST(JobKind, every_value_has_a_row_and_a_name_of_its_own) {
  std::set<std::string> names;
  for (const JobKind kind : {JobKind::compress, JobKind::plan, JobKind::analyze, JobKind::evaluate,
                             JobKind::finetune, JobKind::export_result}) {
    EXPECT_EQ(row_of(kind).kind, kind);
    EXPECT_FALSE(row_of(kind).stages.empty());
    names.insert(row_of(kind).name);
  }
  EXPECT_EQ(names.size(), job_kinds().size());
  expect_error([] { row_of(static_cast<JobKind>(99)); }, ErrorCode::invalid_argument, "99");
}

TEST(JobKind, stages_follow_from_it) {
  JobSpec spec;
  EXPECT_THAT(stage_names_of(spec),
              ElementsAre("calibrate", "analyze", "make_plan", "encode", "evaluate", "export"));
  EXPECT_FALSE(runs(spec, Stage::finetune));
  spec.finetune.max_seconds = 1.0;
  EXPECT_THAT(stage_names_of(spec),
              ElementsAre("calibrate", "analyze", "make_plan", "encode", "finetune", "evaluate", "export"));
  spec.kind = JobKind::export_result;
  EXPECT_THAT(stage_names_of(spec), ElementsAre("export")) << "of a job that was trained";
  spec.kind = JobKind::finetune;
  spec.finetune.max_seconds = 0.0;
  EXPECT_TRUE(runs(spec, Stage::finetune));
  EXPECT_FALSE(runs(spec, Stage::calibrate));
  EXPECT_EQ(kind_of(spec).text_key, "finetune.text");
}

TEST(JobKind, is_found_by_its_stages) {
  EXPECT_EQ(kind_that_does({Stage::evaluate}), JobKind::evaluate);
  EXPECT_EQ(kind_that_does({Stage::calibrate, Stage::analyze}), JobKind::analyze);
  EXPECT_EQ(kind_that_does(row_of(JobKind::compress).stages), JobKind::compress);
  EXPECT_EQ(kind_that_does({Stage::calibrate}), std::nullopt);
}

}  // namespace
}  // namespace cce
