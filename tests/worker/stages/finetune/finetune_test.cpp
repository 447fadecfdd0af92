#include "worker/stages/finetune/finetune.h"

#include <gtest/gtest.h>

#include "tests/common/error_matcher.h"
#include "tests/worker/stages/finetune/fixture.h"
#include "worker/passes/encoded_layers.h"
#include "worker/passes/layer_store.h"

namespace cce {
namespace {

/// Everything that was trained, layer after layer, as the state holds it.
std::vector<float> trained_weights(const StageContext& context) {
  const EncodedLayers layers(context, context.dense(), "test", Stage::finetune);
  std::vector<float> result;
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    const HostLayer weights = layers.load(layer);
    for (const TensorRole role : layer_roles()) {
      const std::vector<float>& values = part_view(weights, role).values;
      result.insert(result.end(), values.begin(), values.end());
    }
  }
  const HostMatrix gain = layers.final_norm();
  result.insert(result.end(), gain.values.begin(), gain.values.end());
  return result;
}

struct Outcome {
  FinetuneProgress progress;
  std::vector<float> weights;
};

Outcome finetune_on(FinetuneJob& job, int ranks) {
  Outcome outcome;
  const FinetuneInput input = job.input();
  job.run(ranks, [&](StageContext& context) {
    const FinetuneProgress progress = finetune(context, input);
    if (context.rank() == 0) {
      outcome = {progress, trained_weights(context)};
    }
  });
  return outcome;
}

TEST(Finetune, brings_the_student_nearer_to_its_teacher) {
  FinetuneJob job;
  job.spec.finetune.max_tokens = 30 * 4 * 24;
  job.spec.finetune.learning_rate = 5e-3;
  const Outcome outcome = finetune_on(job, 2);
  ASSERT_EQ(outcome.progress.step, 30);
  ASSERT_EQ(outcome.progress.curve.size(), 30U);
  EXPECT_LT(outcome.progress.curve.back().terms.kl, 0.7 * outcome.progress.curve.front().terms.kl);
  EXPECT_LT(outcome.progress.curve.back().terms.rec, 0.7 * outcome.progress.curve.front().terms.rec);
  for (const FinetunePoint& point : outcome.progress.curve) {
    EXPECT_GT(point.tokens_per_second, 0.0);
    EXPECT_GT(point.gradient_norm, 0.0);
  }
}

TEST(Finetune, ranks_change_no_more_than_the_order_of_sums) {
  FinetuneJob job;
  const Outcome alone = finetune_on(job, 1);
  for (const int ranks : {2, 4}) {
    const Outcome other = finetune_on(job, ranks);
    EXPECT_NEAR(other.progress.curve.back().loss, alone.progress.curve.back().loss,
                1e-4 * alone.progress.curve.back().loss);
    ASSERT_EQ(other.weights.size(), alone.weights.size());
  }
}

TEST(Finetune, stopped_after_every_step_it_ends_with_the_same_bits) {
  for (const int ranks : {1, 3}) {
    FinetuneJob job;
    const Outcome whole = finetune_on(job, ranks);
    const FinetuneInput input = job.input();
    std::vector<float> weights;
    int attempts = 0;
    job.run(ranks, [&](StageContext& context) {
      bool finished = false;
      while (!finished) {
        if (context.rank() == 0) {
          ++attempts;
          context.job.request_cancel();
        }
        context.communicator.barrier();
        try {
          finetune(context, input);
          finished = true;
        } catch (const Error& error) {
          ASSERT_EQ(error.code, ErrorCode::cancelled) << describe(error);
        }
      }
      if (context.rank() == 0) {
        weights = trained_weights(context);
      }
    });
    EXPECT_GE(attempts, 6) << ranks << " ranks";
    EXPECT_EQ(weights, whole.weights) << ranks << " ranks";
  }
}

TEST(Finetune, all_terms_together_stop_and_resume_to_the_same_bits) {
  FinetuneJob job;
  job.spec.finetune.beta = 0.1;
  job.spec.finetune.gamma = 0.01;
  job.spec.finetune.delta = 0.5;
  job.spec.similarity.cluster_threshold = 0.0;
  const Outcome whole = finetune_on(job, 2);
  EXPECT_GT(whole.progress.curve.front().terms.reg, 0.0);
  EXPECT_GT(whole.progress.curve.front().terms.task, 0.0);
  const FinetuneInput input = job.input();
  std::vector<float> weights;
  job.run(2, [&](StageContext& context) {
    for (int attempt = 0; attempt < 3; ++attempt) {
      if (context.rank() == 0) {
        context.job.request_cancel();
      }
      context.communicator.barrier();
      EXPECT_THROW(finetune(context, input), Error);
    }
    if (context.rank() == 0) {
      context.job.clear_cancel();
    }
    context.communicator.barrier();
    finetune(context, input);
    if (context.rank() == 0) {
      weights = trained_weights(context);
    }
  });
  EXPECT_EQ(weights, whole.weights);
}

TEST(Finetune, goes_on_from_the_latest_checkpoint) {
  FinetuneJob job;
  job.spec.finetune.checkpoint_steps = 2;
  const Outcome whole = finetune_on(job, 2);
  const FinetuneInput input = job.input();
  int layers_read = 0;
  FinetuneInput counting = input;
  counting.layer = [&](std::int64_t layer) {
    ++layers_read;
    return input.layer(layer);
  };
  std::vector<float> weights;
  job.run(1, [&](StageContext& context) {
    context.job.request_cancel();
    EXPECT_THROW(finetune(context, input), Error);
    context.job.clear_cancel();
    finetune(context, counting);
    weights = trained_weights(context);
    finetune(context, counting);  // done before: nothing is computed again
  });
  EXPECT_EQ(layers_read, 0) << "weights came from the checkpoint";
  EXPECT_FALSE(weights.empty());
}

TEST(Finetune, keeps_the_weights_of_the_best_validation) {
  FinetuneJob job;
  job.spec.finetune.validation = {job.validation};
  job.spec.finetune.validate_steps = 1;
  job.spec.finetune.patience = 2;
  job.spec.finetune.learning_rate = 0.5;  // every step makes it worse
  job.spec.finetune.clip = 0.0;
  job.spec.finetune.warmup = 0.0;
  const FinetuneInput input = job.input(0.0);
  job.run(2, [&](StageContext& context) {
    FinetuneProgress progress;
    try {
      progress = finetune(context, input);
    } catch (const Error& error) {
      FAIL() << describe(error);
    }
    EXPECT_EQ(progress.step, 2) << "stopped early";
    EXPECT_EQ(progress.best_step, 0);
    context.communicator.barrier();
    const EncodedLayers layers(context, context.dense(), "test", Stage::finetune);
    EXPECT_EQ(layers.load(0).q.values, job.student_layer(0, 0.0).q.values) << "the start was the best";
  });
}

TEST(Finetune, a_diverging_run_names_the_learning_rate_the_term_and_what_is_kept) {
  FinetuneJob job;
  job.spec.finetune.max_tokens = 40 * 4 * 24;
  job.spec.finetune.learning_rate = 1.0;
  job.spec.finetune.warmup = 1.0;  // the rate grows with every step
  job.spec.finetune.clip = 0.0;
  job.spec.finetune.checkpoint_steps = 1;
  const FinetuneInput input = job.input(0.05);
  job.run(2, [&](StageContext& context) {
    const Error error = error_of([&] { finetune(context, input); });
    EXPECT_EQ(error_name(error.code), "out_of_range") << describe(error);
    EXPECT_EQ(exit_code(error.code), 2);
    EXPECT_EQ(error.where, "finetune.learning_rate");
    EXPECT_THAT(error.found, ::testing::ContainsRegex("1, under .*: (rec|kl) = .* at step .*, .* at step "));
    EXPECT_THAT(error.remedy, ::testing::HasSubstr("finetune.learning_rate=0.0002 "));
    EXPECT_THAT(error.remedy, ::testing::ContainsRegex("The checkpoint of step [0-9]+ stay"));
    EXPECT_TRUE(context.job.find_state("finetune.latest", "test").has_value());
  });
}

}  // namespace
}  // namespace cce
