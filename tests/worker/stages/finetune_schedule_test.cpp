#include "worker/stages/finetune_schedule.h"

#include <gtest/gtest.h>

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
  std::int64_t max_tokens, batch_tokens, length, text_windows;
  std::int64_t batch, steps;
};

const BudgetRow budget_rows[] = {{"whole_steps", 65536, 8192, 1024, 100, 8, 8},
                                 {"never_more_than_paid_for", 65535, 8192, 1024, 100, 8, 7},
                                 {"batch_of_a_fraction", 10240, 2500, 1024, 100, 2, 5},
                                 {"less_than_a_batch", 3072, 8192, 1024, 100, 3, 1},
                                 {"less_than_a_window", 100, 8192, 1024, 100, 1, 1},
                                 {"one_pass_without_a_limit", 0, 4096, 1024, 100, 4, 25},
                                 {"short_text", 0, 8192, 1024, 3, 8, 1}};

TEST(FinetuneSchedule, steps_that_the_tokens_pay_for) {
  for (const BudgetRow& row : budget_rows) {
    const FinetuneSettings settings = settings_of(row.max_tokens, row.batch_tokens);
    EXPECT_EQ(batch_sequences(settings, row.length), row.batch) << row.name;
    EXPECT_EQ(planned_steps(settings, row.length, row.text_windows), row.steps) << row.name;
  }
}

TEST(FinetuneSchedule, steps_that_the_time_pays_for) {
  FinetuneSettings settings;
  EXPECT_EQ(affordable_steps(settings, 40, 3, 6.0), 40) << "no limit";
  settings.max_seconds = 61.0;
  EXPECT_EQ(affordable_steps(settings, 40, 3, 6.0), 30) << "2 s each";
  EXPECT_EQ(affordable_steps(settings, 20, 3, 6.0), 20) << "the tokens end first";
  settings.max_seconds = 1.0;
  EXPECT_EQ(affordable_steps(settings, 40, 3, 6.0), 3) << "already spent";
}

}  // namespace
}  // namespace cce
