#include "worker/stages/finetune/schedule.h"

#include <gtest/gtest.h>

#include <vector>

namespace cce {
namespace {

FinetuneSettings settings_of(std::int64_t max_tokens, std::int64_t batch_tokens) {
  FinetuneSettings settings;
  settings.max_tokens = max_tokens;
  settings.batch_tokens = batch_tokens;
  return settings;
}

TEST(FinetuneSchedule, warms_up_and_falls_as_a_cosine) {
  FinetuneSettings settings;
  settings.learning_rate = 1.0;
  settings.warmup = 0.1;
  const double expected[] = {0.5, 1.0, 1.0, 0.99039264, 0.5, 0.00960736};
  const std::int64_t steps[] = {0, 1, 2, 3, 10, 17};
  FinetuneSettings half = settings;
  half.warmup = 2.0 / 18.0;  // 2 steps of 18, then a cosine over 16
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(learning_rate_at(half, steps[i], 18), expected[i], 1e-8) << "step " << steps[i];
  }
  settings.warmup = 0.0;
  EXPECT_DOUBLE_EQ(learning_rate_at(settings, 0, 5), 1.0);
  settings.warmup = 1.0;
  EXPECT_DOUBLE_EQ(learning_rate_at(settings, 4, 5), 1.0);
}

struct BudgetRow {
  const char* name;
  std::int64_t max_tokens, batch_tokens, length;
  std::int64_t batch, steps;
};

const BudgetRow budget_rows[] = {
    {"whole_steps", 65536, 8192, 1024, 8, 8},         {"never_more_than_paid_for", 65535, 8192, 1024, 8, 7},
    {"batch_of_a_fraction", 10240, 2500, 1024, 2, 5}, {"less_than_a_batch", 3072, 8192, 1024, 3, 1},
    {"less_than_a_window", 100, 8192, 1024, 1, 1},    {"time_alone", 0, 4096, 1024, 4, unmeasured_steps}};

TEST(FinetuneSchedule, steps_that_the_tokens_pay_for) {
  for (const BudgetRow& row : budget_rows) {
    const FinetuneSettings settings = settings_of(row.max_tokens, row.batch_tokens);
    EXPECT_EQ(batch_sequences(settings, row.length), row.batch) << row.name;
    EXPECT_EQ(planned_steps(settings, row.length), row.steps) << row.name;
  }
}

struct TimeRow {
  const char* name;
  std::int64_t max_tokens;
  double max_seconds;
  std::int64_t validate_steps, done;
  MeasuredSeconds seconds;
  std::int64_t steps, validations;
};

const TimeRow time_rows[] = {
    {"two_seconds_each", 0, 61.0, 0, 3, {.spent = 6.0, .step = 2.0}, 30, 8},
    {"set_up_counts", 0, 61.0, 0, 3, {.spent = 26.0, .step = 2.0}, 20, 8},
    {"the_tokens_end_first", 20 * 4096, 61.0, 0, 3, {.spent = 6.0, .step = 2.0}, 20, 8},
    {"already_spent", 0, 1.0, 0, 3, {.spent = 6.0, .step = 2.0}, 3, 8},
    {"a_tenth_of_the_time_for_validations",
     0,
     400.0,
     0,
     3,
     {.spent = 100.0, .step = 2.0, .validation = 5.0},
     138,
     8},
    {"validations_at_an_interval", 0, 400.0, 5, 3, {.spent = 100.0, .step = 2.0, .validation = 5.0}, 103, 8},
    {"costly_validations_are_fewer",
     0,
     400.0,
     0,
     3,
     {.spent = 100.0, .step = 2.0, .validation = 40.0},
     123,
     2},
    {"one_at_least", 0, 100.0, 0, 3, {.spent = 60.0, .step = 2.0, .validation = 50.0}, 13, 1},
    {"a_validation_past_the_budget",
     0,
     100.0,
     0,
     3,
     {.spent = 60.0, .step = 2.0, .validation = 150.0},
     3,
     1}};

TEST(FinetuneSchedule, steps_that_the_time_pays_for) {
  for (const TimeRow& row : time_rows) {
    FinetuneSettings settings = settings_of(row.max_tokens, 4096);
    settings.max_seconds = row.max_seconds;
    settings.validate_steps = row.validate_steps;
    EXPECT_EQ(affordable_steps(settings, 1024, row.done, row.seconds), row.steps) << row.name;
    EXPECT_EQ(affordable_validations(settings, row.seconds.validation), row.validations) << row.name;
  }
}

TEST(FinetuneSchedule, is_measured_at_doublings) {
  std::vector<std::int64_t> found;
  for (std::int64_t step = 0; step < 100; ++step) {
    if (is_measuring_step(step)) {
      found.push_back(step);
    }
  }
  EXPECT_EQ(found, (std::vector<std::int64_t>{3, 6, 12, 24, 48, 96}));
}

TEST(FinetuneSchedule, the_first_step_is_left_out_of_the_mean) {
  std::vector<FinetunePoint> curve(4);
  const double seconds[] = {50.0, 2.0, 4.0, 6.0};
  for (std::size_t i = 0; i < curve.size(); ++i) {
    curve[i].tokens_per_second = 1000.0 / seconds[i];
  }
  EXPECT_DOUBLE_EQ(seconds_per_step(curve, 1000), 4.0);
  EXPECT_DOUBLE_EQ(seconds_per_step(std::span(curve).first(1), 1000), 50.0);
  EXPECT_DOUBLE_EQ(seconds_per_step({}, 1000), 0.0);
}

}  // namespace
}  // namespace cce
