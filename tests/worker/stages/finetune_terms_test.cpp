#include <gtest/gtest.h>

#include "tests/worker/stages/finetune_fixture.h"
#include "worker/stages/finetune_nuclear.h"
#include "worker/stages/finetune_similarity.h"

namespace cce {
namespace {

/// The student moved along its direction, every matrix by `distance` times another draw of itself.
void set_student(StageContext& context, const FinetuneJob& job, TrainedParameters& parameters,
                 double distance) {
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    if (!context.owns(layer)) {
      continue;
    }
    HostLayer weights = job.student_layer(layer);
    const HostLayer other = job.student_layer(layer, -2.0);
    for (const TensorRole role : layer_roles()) {
      HostMatrix& part = part_view(weights, role);
      for (std::size_t i = 0; i < part.values.size(); ++i) {
        part.values[i] += static_cast<float>(distance) * part_view(other, role).values[i];
      }
    }
    parameters.set_layer(layer, weights);
  }
}

void clear_gradients(StageContext& context, TrainedParameters& parameters) {
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    if (context.owns(layer)) {
      parameters.start_gradient(layer);
    }
  }
}

/// ⟨gradient, direction⟩ over all ranks.
double slope(StageContext& context, const FinetuneJob& job, TrainedParameters& parameters) {
  double inner = 0.0;
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    if (!context.owns(layer)) {
      continue;
    }
    const HostLayer direction = job.student_layer(layer, -2.0);
    LayerWeightsMutable gradient = parameters.gradient(layer);
    for (const TensorRole role : layer_roles()) {
      const Matrix& part = part_view(gradient, role);
      for (std::size_t i = 0; i < part_view(direction, role).values.size(); ++i) {
        inner += static_cast<double>(part.as<float>()[i]) *
                 static_cast<double>(part_view(direction, role).values[i]);
      }
    }
  }
  context.communicator.all_reduce_sum(std::span<double>(&inner, 1));
  return inner;
}

constexpr double step = 1e-2;
/// Singular values near 0 bend the nuclear norm: a step must be small beside them.
constexpr double nuclear_step = 1e-3;

TEST(NuclearTerm, its_gradient_agrees_with_differences_and_reaches_every_matrix) {
  for (const int ranks : {1, 2}) {
    FinetuneJob job;
    job.spec.finetune.gamma = 1.0;
    job.run(ranks, [&](StageContext& context) {
      TrainedParameters parameters(context, context.dense());
      const auto value_at = [&](double distance) {
        set_student(context, job, parameters, distance);
        clear_gradients(context, parameters);
        NuclearTerm term(context, context.dense());
        return term.add(0, parameters);
      };
      const double difference = (value_at(nuclear_step) - value_at(-nuclear_step)) / (2.0 * nuclear_step);
      const double middle = value_at(0.0);
      EXPECT_GT(middle, 7.0 * static_cast<double>(context.layers())) << "at least 1 for each matrix";
      EXPECT_NEAR(slope(context, job, parameters), difference, 2e-2 * std::abs(difference)) << ranks;
    });
  }
}

TEST(NuclearTerm, old_polar_factors_serve_until_the_next_refresh_and_come_back_from_a_file) {
  FinetuneJob job;
  job.spec.finetune.gamma = 1.0;
  job.run(2, [&](StageContext& context) {
    TrainedParameters parameters(context, context.dense());
    set_student(context, job, parameters, 0.0);
    clear_gradients(context, parameters);
    NuclearTerm term(context, context.dense());
    term.add(0, parameters);
    const auto folder = context.job.root() / ("polar-" + std::to_string(context.rank()));
    context.files.make_directory(folder);
    term.save(folder);
    set_student(context, job, parameters, 0.1);
    const double old_factors = term.add(NuclearTerm::refresh_steps - 1, parameters);
    NuclearTerm loaded(context, context.dense());
    loaded.load(folder);
    EXPECT_EQ(loaded.add(NuclearTerm::refresh_steps - 1, parameters), old_factors);
    EXPECT_GT(term.add(NuclearTerm::refresh_steps, parameters), old_factors) << "a bound from below no more";
  });
}

TEST(SimilarityTerm, its_gradient_agrees_with_differences) {
  std::vector<double> values;
  for (const int ranks : {1, 2}) {
    FinetuneJob job;
    job.spec.finetune.beta = 1.0;
    job.spec.similarity.cluster_threshold = 0.0;  // all sub-blocks of a kind in one cluster
    const CalibrationData data = job.data();
    job.run(ranks, [&](StageContext& context) {
      TrainedParameters parameters(context, context.dense());
      set_student(context, job, parameters, 0.0);
      SimilarityTerm term(context, context.dense(), parameters, data.windows);
      EXPECT_EQ(term.pairs(), context.layers() * (context.layers() - 1));
      const auto value_at = [&](double distance) {
        set_student(context, job, parameters, distance);
        clear_gradients(context, parameters);
        return term.add(parameters);
      };
      const double difference = (value_at(step) - value_at(-step)) / (2.0 * step);
      const double middle = value_at(0.0);
      const double found = slope(context, job, parameters);
      EXPECT_NEAR(found, difference, 2e-2 * std::abs(difference) + 1e-4) << ranks;
      if (context.rank() == 0) {
        values.push_back(middle);
      }
    });
  }
  EXPECT_NEAR(values[1], values[0], 1e-4 * values[0]) << "ranks change no more than the order of sums";
}

TEST(SimilarityTerm, without_partners_there_is_nothing_to_do) {
  FinetuneJob job;
  job.spec.finetune.beta = 1.0;
  job.spec.similarity.cluster_threshold = 1.0;
  const CalibrationData data = job.data();
  job.run(2, [&](StageContext& context) {
    TrainedParameters parameters(context, context.dense());
    set_student(context, job, parameters, 0.0);
    SimilarityTerm term(context, context.dense(), parameters, data.windows);
    clear_gradients(context, parameters);
    EXPECT_EQ(term.pairs(), 0);
    EXPECT_EQ(term.add(parameters), 0.0);
    EXPECT_EQ(slope(context, job, parameters), 0.0);
  });
}

}  // namespace
}  // namespace cce
