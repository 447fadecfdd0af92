#include "worker/stages/finetune/pass.h"

#include <gtest/gtest.h>

#include "tests/worker/stages/finetune/fixture.h"

namespace cce {
namespace {

std::vector<TrainingText::Window> some_windows(const StageJob& job, std::size_t count) {
  const CalibrationData data = job.data();
  return {data.windows.begin(), data.windows.begin() + static_cast<std::ptrdiff_t>(count)};
}

struct GradientRow {
  const char* name;
  const char* model;
  double alpha, kl, delta;
  int ranks;
};
class JointPassGradient : public ::testing::TestWithParam<GradientRow> {};

/// Along a random direction D of all parameters: (ℓ(W + εD) − ℓ(W − εD)) / 2ε against ⟨∇ℓ, D⟩, f32.
TEST_P(JointPassGradient, agrees_with_differences) {
  const GradientRow& row = GetParam();
  FinetuneJob job(row.model);
  job.spec.finetune.alpha = row.alpha;
  job.spec.finetune.kl = row.kl;
  job.spec.finetune.delta = row.delta;
  const auto batch = some_windows(job, 4);
  job.run(row.ranks, [&](StageContext& context) {
    StudentWeights weights(context, context.dense());
    StudentGradients gradients(context, context.dense());
    JointPass pass(context, weights, gradients, context.checkpoint, 4);
    const auto set = [&](double distance) {
      for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
        if (context.owns(layer)) {
          HostLayer moved = job.student_layer(layer);
          const HostLayer other = job.student_layer(layer, -0.6);
          for (const TensorRole role : layer_roles()) {
            HostMatrix& part = part_view(moved, role);
            for (std::size_t i = 0; i < part.values.size(); ++i) {
              part.values[i] += static_cast<float>(distance) * part_view(other, role).values[i];
            }
          }
          weights.set_layer(layer, moved);
        }
      }
      HostMatrix gain = job.final_norm();
      for (float& value : gain.values) {
        value *= 1.0f + static_cast<float>(distance);
      }
      weights.set_final_norm(gain);
      return pass.run(batch).total(context.spec.finetune);
    };
    constexpr double step = 2e-3;
    const double difference = (set(step) - set(-step)) / (2.0 * step);
    set(0.0);
    double inner = 0.0;
    for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
      if (context.owns(layer)) {
        const HostLayer direction = job.student_layer(layer, -0.6);
        LayerWeightsMutable gradient = gradients.parts(layer);
        for (const TensorRole role : layer_roles()) {
          const Matrix& part = part_view(gradient, role);
          for (std::size_t i = 0; i < part_view(direction, role).values.size(); ++i) {
            inner += static_cast<double>(part.as<float>()[i]) *
                     static_cast<double>(part_view(direction, role).values[i]);
          }
        }
      }
    }
    if (context.rank() == 0) {
      const HostMatrix gain = job.final_norm();
      const ConstMatrix gradient = gradients.final_norm();
      for (std::size_t i = 0; i < gain.values.size(); ++i) {
        inner += static_cast<double>(gradient.as<float>()[i]) * static_cast<double>(gain.values[i]);
      }
    }
    context.communicator.all_reduce_sum(std::span<double>(&inner, 1));
    EXPECT_NEAR(inner, difference, 1e-2 * std::abs(difference) + 1e-5) << "rank " << context.rank();
  });
}

const GradientRow gradient_rows[] = {{"rec", "llama3_gqa", 1.0, 0.0, 0.0, 1},
                                     {"kl", "llama3_gqa", 0.0, 1.0, 0.0, 1},
                                     {"task", "llama3_gqa", 0.0, 0.0, 1.0, 1},
                                     {"all_biases", "qwen2_bias", 1.0, 0.7, 0.3, 2},
                                     {"all_window", "mistral_window", 1.0, 0.7, 0.3, 3},
                                     {"all_custom", "custom_mixed", 1.0, 0.7, 0.3, 2},
                                     {"more_ranks_than_windows", "llama_mha", 1.0, 0.7, 0.3, 5}};
INSTANTIATE_TEST_SUITE_P(JointPass, JointPassGradient, ::testing::ValuesIn(gradient_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(JointPass, the_teacher_itself_has_nothing_to_learn) {
  FinetuneJob job;
  const auto batch = some_windows(job, 3);
  job.run(2, [&](StageContext& context) {
    StudentWeights weights(context, context.dense());
    StudentGradients gradients(context, context.dense());
    for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
      if (context.owns(layer)) {
        weights.set_layer(layer, job.student_layer(layer, 0.0));
      }
    }
    weights.set_final_norm(job.final_norm());
    JointPass pass(context, weights, gradients, context.checkpoint, 4);
    const LossTerms terms = pass.run(batch);
    EXPECT_LT(terms.rec, 1e-10);
    EXPECT_LT(terms.kl, 1e-6);
    EXPECT_EQ(terms.task, 0.0);
    EXPECT_LT(gradients.norm(), 1e-3);
  });
}

TEST(JointPass, a_teacher_of_another_depth_is_refused_where_layers_are_compared) {
  FinetuneJob job("llama_mha");
  ModelConfig student = job.dense();
  student.layers.pop_back();
  job.run(1, [&](StageContext& context) {
    StudentWeights weights(context, student);
    StudentGradients gradients(context, student);
    try {
      JointPass(context, weights, gradients, context.checkpoint, 4);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::impossible_combination);
      EXPECT_EQ(error.remedy, "Set finetune.alpha=0");
    }
  });
}

}  // namespace
}  // namespace cce
