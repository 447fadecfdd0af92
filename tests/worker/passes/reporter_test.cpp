#include "worker/passes/reporter.h"

#include <gmock/gmock.h>

#include <atomic>

#include "tests/common/error_matcher.h"
#include "tests/worker/stages/stage_fixture.h"

namespace cce {
namespace {

using ::testing::ElementsAre;

std::vector<EventKind> kinds_of(const std::vector<JobEvent>& events) {
  std::vector<EventKind> kinds;
  for (const JobEvent& event : events) {
    kinds.push_back(event.kind);
  }
  return kinds;
}

TEST(Reporter, writes_a_stage_from_start_to_end) {
  StageJob job("llama_mha");
  job.run(2, [](StageContext& context) {
    Reporter& reporter = context.reporter;
    reporter.stage_started(Stage::encode);
    reporter.progress(2, 2, 1, 30.0);
    if (context.rank() == 1) {
      reporter.warning("a layer was odd");
    }
    reporter.stage_finished(30.0, {{"loss", 0.5}});
  });
  const std::vector<JobEvent> events = job.events();
  ASSERT_THAT(kinds_of(events), ElementsAre(EventKind::stage_started, EventKind::progress, EventKind::warning,
                                            EventKind::stage_done));
  EXPECT_EQ(events[1].stage, "encode");
  EXPECT_EQ(events[1].layer, 1);
  EXPECT_EQ(events[1].done, 2);
  EXPECT_EQ(events[2].message, "a layer was odd");
  EXPECT_EQ(events[3].stage, "encode");
  EXPECT_EQ(events[3].metric(Metric::tokens), 60.0) << "of both ranks";
  EXPECT_GT(events[3].metric(Metric::peak_bytes), 0.0);
  EXPECT_EQ(events[3].metrics.at("loss"), 0.5);
}

TEST(Reporter, fast_progress_is_thinned_and_its_end_is_always_written) {
  StageJob job("llama_mha");
  job.run(1, [](StageContext& context) {
    context.reporter.stage_started(Stage::calibrate);
    for (std::int64_t i = 1; i <= 1000; ++i) {
      context.reporter.progress(i, 1000, 0, 1.0);
    }
  });
  const std::vector<JobEvent> events = job.events();
  EXPECT_LT(events.size(), 100U);
  EXPECT_EQ(events.back().done, 1000);
}

TEST(Reporter, a_cancel_reaches_every_rank_at_the_same_safe_point) {
  StageJob job("llama_mha");
  std::atomic<int> stopped{0};
  expect_error(
      [&] {
        job.run(3, [&](StageContext& context) {
          context.reporter.stage_started(Stage::encode);
          context.reporter.progress(1, 4, 0, 1.0);
          if (context.rank() == 2) {
            context.job.request_cancel();
          }
          context.communicator.barrier();
          try {
            context.reporter.progress(2, 4, 1, 1.0);
          } catch (const Error& error) {
            stopped += error.code == ErrorCode::cancelled ? 1 : 0;
            throw;
          }
        });
      },
      ErrorCode::cancelled, "encode at 2 of 4");
  EXPECT_EQ(stopped, 3);
}

}  // namespace
}  // namespace cce
