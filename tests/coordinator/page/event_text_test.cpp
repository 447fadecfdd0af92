#include "coordinator/page/event_text.h"

#include <gmock/gmock.h>

namespace cce {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EventText, parts_come_in_one_order_and_without_data_they_are_left_out) {
  JobEvent event;
  event.kind = EventKind::progress;
  EXPECT_THAT(progress_parts(event), IsEmpty());
  event.layer = 17;
  event.done = 4;
  event.total = 7;
  event.set(Metric::tokens_per_second, 11234.0);
  event.set(Metric::eta_seconds, 12.1);
  event.set(Metric::peak_bytes, 2.0 * (1 << 30));
  EXPECT_THAT(progress_parts(event),
              ElementsAre("layer 17", "57 %", "11.2 k tokens/s", "about 12.1 s left", "peak 2.0 GiB"));
  EXPECT_EQ(progress_parts(event, "|==|")[1], "57 %  |==|");
}

TEST(EventText, the_other_metrics_are_written_in_their_units) {
  JobEvent event;
  event.set(Metric::peak_bytes, 1.0);
  event.set(Metric::elapsed_seconds, 61.0);
  event.set(Metric::tokens, 12345.0);
  event.set(Metric::kl, 0.25);
  event.metrics["later_metric"] = 3.0;
  EXPECT_THAT(other_metrics(event),
              ElementsAre("elapsed_seconds 1 min 01 s", "kl 0.25", "later_metric 3", "tokens 12.3 k"));
}

}  // namespace
}  // namespace cce
