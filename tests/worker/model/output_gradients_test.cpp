#include "worker/model/output_gradients.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "common/base/error.h"
#include "tests/worker/model/model_golden.h"
#include "tests/worker/model/random_layer.h"

// The end of the model: divergence from a teacher and the task's loss, against finite differences.

namespace cce {
namespace {

constexpr std::int64_t tokens = 6, hidden_size = 8, vocabulary = 11;
constexpr double epsilon = 1e-5;

class OutputGradientsTest : public ::testing::Test {
 protected:
  EndWeights ends(const HostMatrix& head, const HostMatrix& norm) {
    EndWeights result;
    result.own_head = uploaded(*backend_, head);
    result.final_norm = uploaded(*backend_, norm);
    return result;
  }
  static HostMatrix gains(unsigned seed) {
    HostMatrix norm = random_matrix(1, hidden_size, seed);
    for (float& value : norm.values) value = 1.0f + 0.3f * value;
    return norm;
  }

  /// log softmax(norm(stream) headᵀ), in f64.
  static std::vector<double> log_probabilities(const HostMatrix& stream, const HostMatrix& norm,
                                               const HostMatrix& head, std::int64_t token) {
    std::vector<double> logits;
    double squares = 0.0, total = 0.0;
    for (std::int64_t j = 0; j < hidden_size; ++j) {
      squares += std::pow(static_cast<double>(stream.row(token)[j]), 2);
    }
    for (std::int64_t v = 0; v < vocabulary; ++v) {
      double logit = 0.0;
      for (std::int64_t j = 0; j < hidden_size; ++j) {
        logit += static_cast<double>(stream.row(token)[j]) * static_cast<double>(norm.row(0)[j]) *
                 static_cast<double>(head.row(v)[j]) / std::sqrt(squares / hidden_size + epsilon);
      }
      logits.push_back(logit);
      total += std::exp(logit);
    }
    for (double& logit : logits) logit -= std::log(total);
    return logits;
  }

  double divergence() const {
    double sum = 0.0;
    for (std::int64_t t = 0; t < tokens; ++t) {
      const auto p = log_probabilities(teacher_, teacher_norm_, teacher_head_, t);
      const auto q = log_probabilities(student_, norm_, head_, t);
      for (std::size_t v = 0; v < p.size(); ++v) sum += std::exp(p[v]) * (p[v] - q[v]);
    }
    return sum;
  }
  double task() const {
    double sum = 0.0;
    for (std::int64_t t = 0; t < tokens; ++t) {
      const std::int32_t label = labels_[static_cast<std::size_t>(t)];
      if (label >= 0) sum -= log_probabilities(student_, norm_, head_, t)[static_cast<std::size_t>(label)];
    }
    return sum;
  }
  std::vector<float> derivatives(HostMatrix& of, const std::function<double()>& loss, double scale) const {
    std::vector<float> result;
    for (float& value : of.values) {
      const float original = value, step = 1e-3f;
      value = original + step;
      const double above = loss();
      value = original - step;
      const double below = loss();
      value = original;
      result.push_back(static_cast<float>(scale * (above - below) / (2.0 * static_cast<double>(step))));
    }
    return result;
  }

  std::unique_ptr<Backend> backend_ = make_cpu_backend(1);
  HostMatrix student_ = random_matrix(tokens, hidden_size, 1),
             teacher_ = random_matrix(tokens, hidden_size, 2);
  HostMatrix norm_ = gains(3), teacher_norm_ = gains(4);
  HostMatrix head_ = random_matrix(vocabulary, hidden_size, 5);
  HostMatrix teacher_head_ = random_matrix(vocabulary, hidden_size, 6);
  std::vector<std::int32_t> labels_ = {3, -1, 0, 10, 10, 7};
};

TEST_F(OutputGradientsTest, divergence_and_its_gradients_are_added) {
  OutputGradients output(*backend_, epsilon, DType::f32);
  const EndWeights student = ends(head_, norm_), teacher = ends(teacher_head_, teacher_norm_);
  const HostMatrix before = random_matrix(tokens, hidden_size, 7),
                   gain_before = random_matrix(1, hidden_size, 8);
  OwnedMatrix d_stream = uploaded(*backend_, before), d_norm = uploaded(*backend_, gain_before);
  const OwnedMatrix stream = uploaded(*backend_, student_), teacher_stream = uploaded(*backend_, teacher_);
  const double scale = 0.3;
  const double found = output.divergence(stream.view(), student, teacher_stream.view(), teacher, scale,
                                         d_stream.view(), d_norm.view());
  EXPECT_NEAR(found, divergence(), 1e-4 * divergence());
  std::vector<float> expected = derivatives(
      student_, [&] { return divergence(); }, scale);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += before.values[i];
  EXPECT_LE(relative_difference(downloaded(*backend_, d_stream.view()).values, expected), 1e-4);
  expected = derivatives(
      norm_, [&] { return divergence(); }, scale);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += gain_before.values[i];
  EXPECT_LE(relative_difference(downloaded(*backend_, d_norm.view()).values, expected), 1e-4);
}

TEST_F(OutputGradientsTest, task_loss_leaves_unlabelled_tokens_out) {
  OutputGradients output(*backend_, epsilon, DType::f32);
  const EndWeights student = ends(head_, norm_);
  OwnedMatrix d_stream = backend_->zeros(DType::f32, tokens, hidden_size);
  OwnedMatrix d_norm = backend_->zeros(DType::f32, 1, hidden_size);
  const OwnedMatrix stream = uploaded(*backend_, student_);
  const double scale = 0.3;
  const double found = output.task(stream.view(), student, labels_, scale, d_stream.view(), d_norm.view());
  EXPECT_NEAR(found, task(), 1e-4 * task());
  const HostMatrix gradient = downloaded(*backend_, d_stream.view());
  for (std::int64_t j = 0; j < hidden_size; ++j) EXPECT_EQ(gradient.row(1)[j], 0.0f);
  EXPECT_LE(relative_difference(gradient.values, derivatives(
                                                     student_, [&] { return task(); }, scale)),
            1e-3);
  EXPECT_LE(relative_difference(downloaded(*backend_, d_norm.view()).values,
                                derivatives(
                                    norm_, [&] { return task(); }, scale)),
            1e-3);
}

TEST_F(OutputGradientsTest, a_student_equal_to_its_teacher_has_no_divergence) {
  OutputGradients output(*backend_, epsilon, DType::f32);
  const EndWeights student = ends(head_, norm_);
  OwnedMatrix d_stream = backend_->zeros(DType::f32, tokens, hidden_size);
  const OwnedMatrix stream = uploaded(*backend_, student_);
  EXPECT_NEAR(output.divergence(stream.view(), student, stream.view(), student, 1.0, d_stream.view(), {}),
              0.0, 1e-5);
  for (const float value : downloaded(*backend_, d_stream.view()).values) EXPECT_NEAR(value, 0.0f, 1e-6f);
}

}  // namespace
}  // namespace cce
