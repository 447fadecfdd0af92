#include "coordinator/service/job_view.h"

#include <gtest/gtest.h>

#include <set>

#include "coordinator/run/job_id.h"
#include "coordinator/service/job_metrics.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

TEST(StreamPosition, reads_back_and_orders) {
  EXPECT_EQ(parse_stream_position(to_text({3, 141})), (StreamPosition{3, 141}));
  EXPECT_LT((StreamPosition{3, 141}), (StreamPosition{4, 0}));
  for (const char* text : {"", ".", "1", "1.", ".1", "-1.2", "1.-2", "1.2.3", "1. 2", "+1.2", "1.2x", "a.b",
                           "99999999999999999999.1", "1.18446744073709551617"}) {
    EXPECT_EQ(error_name(error_of([&] { parse_stream_position(text); }).code), "malformed_request") << text;
  }
}

TEST(JobId, is_random_and_safe_as_a_file_name) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = make_job_id();
    EXPECT_THAT(id, ::testing::MatchesRegex("[a-z2-7]{20}"));
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 1000U);
}

TEST(HistogramTest, counts_up_to_each_bound_and_beyond) {
  Histogram histogram({1.0, 10.0});
  for (const double value : {0.5, 1.0, 1.5, 10.0, 11.0}) {
    histogram.observe(value);
  }
  EXPECT_EQ(histogram.counts, (std::vector<std::uint64_t>{2, 2, 1}));
  EXPECT_EQ(histogram.count, 5U);
  EXPECT_EQ(histogram.sum, 24.0);
}

}  // namespace
}  // namespace cce
