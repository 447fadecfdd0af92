#include <gtest/gtest.h>

#include <optional>

#include "tests/common/error_matcher.h"
#include "tests/worker/stages/finetune/fixture.h"
#include "worker/passes/encoded_layers.h"
#include "worker/stages/finetune/schedule.h"

// Fine-tuning under finetune.max_seconds, with a clock that counts how often it is read.

namespace cce {
namespace {

constexpr std::int64_t steps_of_a_pass = 8;  // 32 windows, 4 a step

/// Goes on by `tick` seconds each time it is read, and by `set_up` more after the first time. Rank 0 alone
/// reads it.
class CountingClock {
 public:
  explicit CountingClock(double tick, double set_up = 0.0) : tick_(tick), set_up_(set_up) {}
  std::function<double()> seconds() {
    return [this] {
      const double now = static_cast<double>(readings_) * tick_ + (readings_ > 0 ? set_up_ : 0.0);
      ++readings_;
      if (on_reading && readings_ == reading) {
        on_reading();
      }
      return now;
    };
  }
  std::function<void()> on_reading;  ///< called once, at that reading
  std::int64_t reading = 0;

 private:
  double tick_, set_up_;
  std::int64_t readings_ = 0;
};

FinetuneProgress train(FinetuneJob& job, int ranks, CountingClock clock) {
  FinetuneProgress result;
  FinetuneInput input = job.input();
  input.seconds = clock.seconds();
  job.run(ranks, [&](StageContext& context) {
    const FinetuneProgress progress = finetune(context, input);
    if (context.rank() == 0) {
      result = progress;
    }
  });
  return result;
}

/// Where a run stopped by a cancel stands.
FinetuneProgress saved_progress(const StageContext& context) {
  const auto path = context.job.state_root() / "finetune.latest/progress.json";
  return parse_finetune_progress(context.files.read_text(path), path.string());
}

/// Training that is cancelled at the clock's sixtieth reading, each rank with a clock of its own here, rank
/// 0's counting; then all is ready for a resume. What its checkpoint says. Collective.
FinetuneProgress cancelled_training(StageContext& context, FinetuneInput input) {
  CountingClock clock(1.0);
  clock.reading = 60;
  clock.on_reading = [&] { context.job.request_cancel(); };
  input.seconds = clock.seconds();
  const Error error = error_of([&] { finetune(context, input); });
  EXPECT_EQ(error_name(error.code), error_name(ErrorCode::cancelled)) << describe(error);
  const FinetuneProgress saved = saved_progress(context);
  context.communicator.barrier();
  if (context.rank() == 0) {
    context.job.clear_cancel();
  }
  context.communicator.barrier();
  return saved;
}

void set_time_alone(FinetuneJob& job, double max_seconds) {
  job.spec.finetune.max_tokens = 0;
  job.spec.finetune.max_seconds = max_seconds;
  job.spec.finetune.checkpoint_steps = 1000;
}

TEST(FinetuneBudget, time_alone_repeats_the_text_until_it_is_spent) {
  std::vector<FinetuneProgress> found;
  for (const int ranks : {1, 2}) {
    FinetuneJob job;
    set_time_alone(job, 120.0);
    found.push_back(train(job, ranks, CountingClock(1.0)));
    EXPECT_GT(found.back().step, 3 * steps_of_a_pass);
    EXPECT_EQ(found.back().total_steps, found.back().step);
    EXPECT_GE(found.back().seconds, 120.0 - 3.0);
    EXPECT_LE(found.back().seconds, 120.0 + 3.0) << "the reading at the end included";
  }
  ASSERT_EQ(found[1].step, found[0].step);
  EXPECT_NEAR(found[1].curve.back().loss, found[0].curve.back().loss, 1e-3 * found[0].curve.back().loss)
      << "the same windows on any number of ranks";
}

TEST(FinetuneBudget, set_up_counts_and_one_step_is_always_done) {
  FinetuneJob job;
  set_time_alone(job, 120.0);
  const auto quick = train(job, 2, CountingClock(1.0)).step;
  const auto slow = train(job, 2, CountingClock(1.0, 60.0)).step;
  EXPECT_LT(slow, 0.6 * static_cast<double>(quick));
  EXPECT_GT(slow, 0.3 * static_cast<double>(quick));
  EXPECT_EQ(train(job, 2, CountingClock(1.0, 1000.0)).step, 1);
}

TEST(FinetuneBudget, time_that_is_left_over_changes_nothing) {
  FinetuneJob job;
  job.spec.finetune.max_tokens = 40 * 4 * 24;
  const FinetuneProgress unlimited = train(job, 1, CountingClock(1.0));
  job.spec.finetune.max_seconds = 1e9;
  const FinetuneProgress limited = train(job, 1, CountingClock(1.0));
  ASSERT_EQ(limited.step, 40);
  for (std::size_t i = 0; i < limited.curve.size(); ++i) {
    EXPECT_EQ(limited.curve[i].learning_rate, unlimited.curve[i].learning_rate) << i;
    EXPECT_EQ(limited.curve[i].loss, unlimited.curve[i].loss) << i;
  }
}

TEST(FinetuneBudget, the_last_weights_are_validated_within_it) {
  FinetuneJob job;
  set_time_alone(job, 120.0);
  job.spec.finetune.validation = {job.validation};
  job.spec.finetune.patience = 1000;
  const FinetuneProgress progress = train(job, 2, CountingClock(1.0));
  EXPECT_GT(progress.step, steps_of_a_pass);
  EXPECT_TRUE(progress.curve.back().validation_perplexity.has_value());
  EXPECT_GT(progress.validation_seconds, 0.0);
  EXPECT_LE(progress.seconds, 120.0 + 5.0) << "a step and a validation";
}

TEST(FinetuneBudget, a_resumed_run_goes_on_with_what_was_decided_and_spent) {
  FinetuneJob job;
  set_time_alone(job, 200.0);
  FinetuneInput input = job.input();
  job.run(2, [&](StageContext& context) {
    CountingClock second(1.0);
    const FinetuneProgress saved = cancelled_training(context, input);
    EXPECT_GT(saved.step, 12);
    EXPECT_LT(saved.step, 24) << "no measuring step to come soon";
    EXPECT_GE(saved.seconds, 59.0);
    FinetuneInput mine = input;
    mine.seconds = second.seconds();
    const FinetuneProgress ended = finetune(context, mine);
    EXPECT_GT(ended.step, saved.step);
    EXPECT_GE(ended.seconds, 195.0);
    EXPECT_LE(ended.seconds, 205.0) << "both attempts together";
    const auto next = static_cast<std::size_t>(saved.step);
    EXPECT_EQ(ended.curve[next].learning_rate,
              learning_rate_at(job.spec.finetune, saved.step, saved.total_steps));
  });
}

TEST(FinetuneBudget, a_resume_without_time_left_ends_the_run) {
  FinetuneJob job;
  set_time_alone(job, 100.0);
  job.spec.finetune.validation = {job.validation};
  FinetuneInput input = job.input();
  job.run(2, [&](StageContext& context) {
    CountingClock second(1.0, 500.0);
    const std::int64_t done = cancelled_training(context, input).step;
    FinetuneInput mine = input;
    mine.seconds = second.seconds();
    const FinetuneProgress ended = finetune(context, mine);
    EXPECT_EQ(ended.step, done);
    EXPECT_TRUE(ended.curve.back().validation_perplexity.has_value());
  });
}

}  // namespace
}  // namespace cce
