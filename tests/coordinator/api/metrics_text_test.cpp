#include "coordinator/api/metrics_text.h"

#include <gmock/gmock.h>

#include <set>
#include <sstream>

namespace cce {
namespace {

using testing::HasSubstr;

ServiceMetrics service() {
  ServiceMetrics metrics;
  metrics.jobs_by_state = {{JobState::queued, 3}, {JobState::running, 1}};
  metrics.queue_seconds = Histogram({1.0, 10.0});
  metrics.queue_seconds.observe(0.5);
  metrics.queue_seconds.observe(100.0);
  metrics.stage_seconds["encode"] = Histogram({1.0});
  metrics.stage_seconds["encode"].observe(2.0);
  metrics.perplexities = {{.job = "7", .text = "a \"b\"\\\n", .before = 10.5, .after = 12.0}};
  metrics.scheduler_errors_by_call = {{"submit", 2}};
  metrics.tokens_total = 12345678.0;
  return metrics;
}

TEST(MetricsTextTest, has_every_family_and_cumulates_histograms) {
  HttpFigures figures;
  figures.observe({.method = "GET", .route = "/v1/jobs/{id}", .status = 200, .seconds = 0.003, .bytes = 10});
  figures.observe({.method = "GET", .route = "/v1/jobs/{id}", .status = 200, .seconds = 0.5, .bytes = 20});
  const std::string text = metrics_text(service(), figures.all(), 4096);
  for (const char* line :
       {"cce_jobs{state=\"queued\"} 3\n", "cce_queue_seconds_bucket{le=\"1\"} 1\n",
        "cce_queue_seconds_bucket{le=\"10\"} 1\n", "cce_queue_seconds_bucket{le=\"+Inf\"} 2\n",
        "cce_queue_seconds_sum 100.5\n", "cce_queue_seconds_count 2\n",
        "cce_stage_seconds_bucket{stage=\"encode\",le=\"+Inf\"} 1\n", "cce_tokens_total 12345678\n",
        "cce_perplexity{job=\"7\",text=\"a \\\"b\\\"\\\\\\n\",when=\"after\"} 12\n",
        "cce_scheduler_errors_total{call=\"submit\"} 2\n",
        "cce_http_request_seconds_bucket{method=\"GET\",route=\"/v1/jobs/{id}\",status=\"200\",le=\"0.005\"} "
        "1\n",
        "cce_http_request_seconds_count{method=\"GET\",route=\"/v1/jobs/{id}\",status=\"200\"} 2\n",
        "cce_http_response_bytes_total{method=\"GET\",route=\"/v1/jobs/{id}\",status=\"200\"} 30\n",
        "process_resident_memory_bytes 4096\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(MetricsTextTest, every_sample_belongs_to_the_family_above_it) {
  HttpFigures figures;
  figures.observe({.method = "GET", .route = "/", .status = 200, .seconds = 0.1, .bytes = 1});
  std::istringstream lines(metrics_text(service(), figures.all(), 1));
  std::set<std::string> families;
  std::string family, line;
  while (std::getline(lines, line)) {
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family << " twice";
    } else if (!line.starts_with("# HELP ")) {
      EXPECT_TRUE(line.starts_with(family)) << line;
    }
  }
  EXPECT_EQ(families.size(), 11U);
}

TEST(HttpFiguresTest, clients_cannot_add_series_by_their_methods) {
  HttpFigures figures;
  for (const char* method : {"PURGE", "X", "get", ""}) {
    figures.observe({.method = method, .route = "", .status = 405, .seconds = 0.0, .bytes = 0});
  }
  EXPECT_EQ(figures.all().size(), 1U);
}

TEST(ResidentBytesTest, is_more_than_nothing) {
  EXPECT_GT(resident_bytes(), 1 << 20);
}

}  // namespace
}  // namespace cce
