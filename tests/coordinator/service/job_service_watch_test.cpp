// What watchers of the service see: metrics, listeners, many threads at once.
#include <chrono>
#include <thread>

#include "tests/coordinator/service/service_fixture.h"

namespace cce {
namespace {

TEST_F(ServiceTest, metrics_count_what_happened) {
  const std::string id = create();
  const std::string other = create(1);
  service_->cancel(other);
  reach(id, JobState::completed);
  const ServiceMetrics metrics = service_->metrics();
  EXPECT_EQ(metrics.jobs_by_state.at(JobState::completed), 1);
  EXPECT_EQ(metrics.jobs_by_state.at(JobState::cancelled), 1);
  EXPECT_EQ(metrics.jobs_by_state.at(JobState::lost), 0);
  EXPECT_EQ(metrics.queue_seconds.count, 1U);
  EXPECT_EQ(metrics.stage_seconds.at("encode").count, 1U);
  EXPECT_EQ(metrics.stage_seconds.at("encode").sum, 2.0);
  EXPECT_EQ(metrics.tokens_total, 100.0);
  EXPECT_EQ(metrics.tensor_bytes_before_total, 4000.0);
  EXPECT_EQ(metrics.tensor_bytes_after_total, 3000.0);
  ASSERT_EQ(metrics.perplexities.size(), 1U);
  EXPECT_EQ(metrics.perplexities[0].after, 25.0);
  std::string reason;
  EXPECT_TRUE(service_->ready(reason)) << reason;
}

TEST_F(ServiceTest, listeners_hear_every_change) {
  std::map<std::string, int> heard;
  service_->set_listener([&](const std::string& id) {
    ++heard[id];
    service_->get(id);  // no lock is held
  });
  const std::string id = create();
  reach(id, JobState::completed);
  EXPECT_GE(heard[id], 4);
}

TEST_F(ServiceTest, every_call_from_many_threads) {
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(create(i));
  }
  std::atomic<bool> over = false;
  std::atomic<std::int64_t> heard = 0;
  service_->set_listener([&](const std::string& id) { heard += service_->get(id)->position.state; });
  std::thread engine([&] {
    while (!over) {
      round();
    }
  });
  std::vector<std::thread> readers;
  for (const std::string& id : ids) {
    readers.emplace_back([&, id] {
      StreamPosition place;
      while (!over) {
        for (const StreamItem& item : service_->events(id, place, 5)) {
          EXPECT_GT(item.position, place);
          place = item.position;
        }
        service_->get(id);
        service_->list(std::nullopt, "", 10);
        service_->metrics();
        service_->spec_json(id);
      }
    });
  }
  readers.emplace_back([&] {
    for (int i = 0; !over; ++i) {
      const std::string& id = ids[static_cast<std::size_t>(i) % 2];  // the others are left to complete
      try {
        i % 3 == 0 ? service_->cancel(id) : service_->resume(id);
      } catch (const Error& error) {
        EXPECT_EQ(error.code, ErrorCode::wrong_job_state) << describe(error);
      }
    }
  });
  const auto start = std::chrono::steady_clock::now();
  const auto completed = [&](std::size_t i) { return state(ids[i]) == JobState::completed; };
  while (!(completed(2) && completed(3)) &&
         std::chrono::steady_clock::now() - start < std::chrono::seconds(20)) {
    std::this_thread::yield();
  }
  over = true;
  engine.join();
  for (std::thread& reader : readers) {
    reader.join();
  }
  EXPECT_TRUE(completed(2) && completed(3));
  EXPECT_GT(heard, 0);
  for (std::size_t i = 0; i < 2; ++i) {  // whatever came of the others, they end
    if (is_final(state(ids[i])) && state(ids[i]) != JobState::completed) {
      service_->resume(ids[i]);
    }
    const auto ended = [&] { return is_final(state(ids[i])); };
    for (int step = 0; step < 50 && !ended(); ++step) {
      round();
    }
    EXPECT_TRUE(ended()) << describe_job(ids[i]);
  }
}

TEST_F(ServiceTest, a_damaged_events_file_is_the_jobs_error_and_nobody_elses) {
  const std::string bad = create();
  reach(bad, JobState::running);
  run_of(bad).ticks = -1000;
  std::ofstream(folder_ / "data/jobs" / bad / "events.jsonl", std::ios::app) << "nonsense\n\n\n";
  const std::string good = create(1);
  reach(good, JobState::completed);
  EXPECT_EQ(service_->metrics().engine_errors, 1U);
  EXPECT_EQ(state(bad), JobState::running);
  restart();
  EXPECT_EQ(state(bad), JobState::running);
  run_of(bad).state = {.phase = RunPhase::ended, .end = RunEnd::exited, .exit_status = 1};
  reach(bad, JobState::failed);
  EXPECT_EQ(service_->get(bad)->error->code, ErrorCode::malformed_file);
}

}  // namespace
}  // namespace cce
