#include <gtest/gtest.h>

#include "tests/worker/stages/finetune/fixture.h"
#include "worker/stages/finetune/nuclear.h"
#include "worker/stages/finetune/similarity.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

/// The student moved along its direction, every matrix by `distance` times another draw of itself.
void set_student(StageContext& context, const FinetuneJob& job, StudentWeights& student, double distance) {
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
    student.set_layer(layer, weights);
  }
}

void clear_gradients(StageContext& context, StudentGradients& gradients) {
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    if (context.owns(layer)) {
      gradients.start(layer);
    }
  }
}

/// ⟨gradient, direction⟩ over all ranks.
double slope(StageContext& context, const FinetuneJob& job, const StudentGradients& gradients) {
  double inner = 0.0;
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    if (!context.owns(layer)) {
      continue;
    }
    const HostLayer direction = job.student_layer(layer, -2.0);
    LayerWeightsMutable gradient = gradients.parts(layer);
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

/// ‖W‖_* / ‖W‖_F and the term's gradient U Vᵀ / ‖W‖_F − ‖W‖_* W / ‖W‖_F³ by a singular value decomposition.
struct ExactRatio {
  double ratio = 0.0;
  std::vector<double> gradient;
};

ExactRatio exact_ratio(Backend& backend, const HostMatrix& weights) {
  const std::int64_t rank = std::min(weights.rows, weights.cols);
  OwnedMatrix a = backend.matrix(DType::f64, weights.rows, weights.cols);
  OwnedMatrix u = backend.matrix(DType::f64, weights.rows, rank);
  OwnedMatrix values = backend.matrix(DType::f64, 1, rank);
  OwnedMatrix v = backend.matrix(DType::f64, rank, weights.cols);
  ops::convert(backend, weights.view(), a.view());
  ops::singular_values(backend, a.view(), u.view(), values.view(), v.view());
  OwnedMatrix polar = backend.zeros(DType::f64, weights.rows, weights.cols);
  ops::multiply(backend, u.view(), Transpose::no, v.view(), Transpose::no, polar.view());
  double nuclear = 0.0, square = 0.0;
  for (std::int64_t i = 0; i < rank; ++i) {
    nuclear += values.as<double>()[i];
    square += values.as<double>()[i] * values.as<double>()[i];
  }
  const double frobenius = std::sqrt(square);
  ExactRatio result{nuclear / frobenius, {}};
  for (std::size_t i = 0; i < weights.values.size(); ++i) {
    result.gradient.push_back(polar.as<double>()[i] / frobenius -
                              nuclear * static_cast<double>(weights.values[i]) / (frobenius * square));
  }
  return result;
}

TEST(NuclearTerm, agrees_with_singular_values_on_every_matrix) {
  for (const int ranks : {1, 2}) {
    FinetuneJob job;
    job.spec.finetune.gamma = 0.5;
    job.run(ranks, [&](StageContext& context) {
      StudentWeights student(context, context.dense());
      StudentGradients gradients(context, context.dense());
      set_student(context, job, student, 0.0);
      clear_gradients(context, gradients);
      NuclearTerm term(context, context.dense());
      const double found = term.add(0, student, gradients);
      double expected = 0.0;
      for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
        const HostLayer weights = job.student_layer(layer);
        for (const TensorRole role : layer_roles()) {
          if (!part_size(weights.shape, context.dense().hidden_size, role).is_matrix) {
            continue;
          }
          ExactRatio exact = exact_ratio(context.backend, part_view(weights, role));
          expected += exact.ratio;
          if (context.owns(layer)) {
            for (double& value : exact.gradient) {
              value *= 0.5;  // gamma
            }
            LayerWeightsMutable gradient = gradients.parts(layer);
            EXPECT_LT(relative_distance(part_view(gradient, role), exact.gradient), 2e-3)
                << "layer " << layer << ", " << role_name(role);
          }
        }
      }
      EXPECT_NEAR(found, expected, 1e-4 * expected) << ranks << " ranks";
    });
  }
}

TEST(NuclearTerm, old_polar_factors_serve_until_the_next_refresh_and_come_back_from_a_file) {
  FinetuneJob job;
  job.spec.finetune.gamma = 1.0;
  job.run(2, [&](StageContext& context) {
    StudentWeights student(context, context.dense());
    StudentGradients gradients(context, context.dense());
    set_student(context, job, student, 0.0);
    clear_gradients(context, gradients);
    NuclearTerm term(context, context.dense());
    term.add(0, student, gradients);
    const auto folder = context.job.root() / ("polar-" + std::to_string(context.rank()));
    context.files.make_directory(folder);
    term.save(folder);
    set_student(context, job, student, 0.1);
    const double old_factors = term.add(NuclearTerm::refresh_steps - 1, student, gradients);
    NuclearTerm loaded(context, context.dense());
    loaded.load(folder);
    EXPECT_EQ(loaded.add(NuclearTerm::refresh_steps - 1, student, gradients), old_factors);
    EXPECT_GT(term.add(NuclearTerm::refresh_steps, student, gradients), old_factors)
        << "a bound from below no more";
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
      StudentWeights student(context, context.dense());
      StudentGradients gradients(context, context.dense());
      set_student(context, job, student, 0.0);
      SimilarityTerm term(context, student, data.windows);
      EXPECT_EQ(term.pairs(), context.layers() * (context.layers() - 1));
      const auto value_at = [&](double distance) {
        set_student(context, job, student, distance);
        clear_gradients(context, gradients);
        return term.add(gradients);
      };
      const double difference = (value_at(step) - value_at(-step)) / (2.0 * step);
      const double middle = value_at(0.0);
      const double found = slope(context, job, gradients);
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
    StudentWeights student(context, context.dense());
    StudentGradients gradients(context, context.dense());
    set_student(context, job, student, 0.0);
    SimilarityTerm term(context, student, data.windows);
    clear_gradients(context, gradients);
    EXPECT_EQ(term.pairs(), 0);
    EXPECT_EQ(term.add(gradients), 0.0);
    EXPECT_EQ(slope(context, job, gradients), 0.0);
  });
}

}  // namespace
}  // namespace cce
