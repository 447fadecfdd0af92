#pragma once
#include "tests/conformance/backend_case.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {

struct OutputRow {
  const char* name;
  std::int64_t tokens, hidden, vocabulary;
  double amplitude;  ///< of the head: how far apart the logits lie
};
inline constexpr OutputRow output_rows[] = {
    {"one_token", 1, 8, 3, 1.0},          {"one_word", 3, 8, 1, 1.0},       {"small", 70, 33, 50, 1.0},
    {"odd_vocabulary", 9, 16, 1013, 1.0}, {"many_chunks", 530, 8, 67, 1.0}, {"steep", 20, 32, 300, 8.0}};

inline std::vector<std::int32_t> test_labels(const OutputRow& row) {
  std::vector<std::int32_t> labels;
  for (std::int64_t t = 0; t < row.tokens; ++t) {
    labels.push_back(t % 5 == 3 ? -1 : static_cast<std::int32_t>(t * 17 % row.vocabulary));
  }
  return labels;
}

/// ∂ Σ losses / ∂ hidden in closed form.
inline Dense output_gradient(const Dense& hidden, const Dense& head,
                             const std::vector<std::int32_t>& labels) {
  Dense errors(hidden.rows, head.rows);
  for (std::int64_t t = 0; t < hidden.rows; ++t) {
    const std::int32_t label = labels[static_cast<std::size_t>(t)];
    if (label < 0) {
      continue;
    }
    Dense row(1, hidden.cols);
    std::copy_n(hidden.values.begin() + t * hidden.cols, hidden.cols, row.values.begin());
    for (std::int32_t v = 0; v < head.rows; ++v) {
      errors(t, v) = std::exp(-reference::output_losses(row, head, {v})[0]) - (v == label ? 1.0 : 0.0);
    }
  }
  return reference::multiply(errors, head);
}

TEST(BackendReference, output_gradient_is_the_finite_difference) {
  const Dense hidden = wave_matrix(4, 6, 1), head = wave_matrix(9, 6, 2);
  const std::vector<std::int32_t> labels = {3, -1, 8, 0};
  const Dense expected = reference::finite_difference(hidden, [&](const Dense& at) {
    double total = 0.0;
    for (const double loss : reference::output_losses(at, head, labels)) {
      total += loss;
    }
    return total;
  });
  EXPECT_LE(scaled_error(output_gradient(hidden, head, labels), expected), 1e-8);
}

TEST_P(BackendSuite, output_losses_and_gradient) {
  for (const OutputRow& row : output_rows) {
    for (const Precision& precision : activation_precisions) {
      SCOPED_TRACE(std::string(row.name) + " " + std::string(name(precision.dtype)));
      Dense hidden = wave_matrix(row.tokens, row.hidden, 1);
      Dense head = wave_matrix(row.vocabulary, row.hidden, 2, row.amplitude);
      std::vector<std::int32_t> labels = test_labels(row);
      Guarded device = put(precision.dtype, hidden), device_head = put(precision.dtype, head);
      Guarded losses = make(DType::f32, 1, row.tokens), same = make(DType::f32, 1, row.tokens);
      Guarded d_hidden = make(DType::f32, row.tokens, row.hidden);
      ops::output_losses(backend(), device, device_head, labels, losses);
      ops::output_gradient(backend(), device, device_head, labels, {}, same, d_hidden);
      Dense expected(1, row.tokens);
      expected.values = reference::output_losses(hidden, head, labels);
      EXPECT_EQ(labels, test_labels(row));
      if (row.vocabulary == 1) {
        EXPECT_THAT(losses.get().values, testing::Each(0.0));
        EXPECT_THAT(d_hidden.get().values, testing::Each(testing::DoubleNear(0.0, 1e-6)));
        continue;
      }
      EXPECT_LE(scaled_error(losses.get(), expected), 5e-6);
      EXPECT_LE(scaled_error(same.get(), expected), 5e-6);
      EXPECT_LE(scaled_error(d_hidden.get(), output_gradient(hidden, head, labels)), precision.tolerance);
    }
  }
}

TEST_P(BackendSuite, output_gradient_draws_labels_by_inverse_transform) {
  const std::int64_t vocabulary = 700, draws = 400;
  Dense hidden(draws, 16), head = wave_matrix(vocabulary, 16, 2, 2.0);
  const Dense one = wave_matrix(1, 16, 1);
  for (std::int64_t t = 0; t < draws; ++t) {
    std::copy(one.values.begin(), one.values.end(), hidden.values.begin() + t * 16);
  }
  Guarded device = put(DType::f32, hidden), device_head = put(DType::f32, head);
  Guarded losses = make(DType::f32, 1, draws), d_hidden = make(DType::f32, draws, 16);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(draws), 0);
  labels[7] = -1;
  std::vector<float> uniforms;
  for (std::int64_t t = 0; t < draws; ++t) {
    uniforms.push_back(static_cast<float>(t) / static_cast<float>(draws));
  }
  uniforms.back() = std::nextafter(1.0f, 0.0f);
  ops::output_gradient(backend(), device, device_head, labels, uniforms, losses, d_hidden);
  std::vector<double> through = {0.0};  // through[v + 1] = Σ_{i ≤ v} p_i
  for (std::int32_t v = 0; v < vocabulary; ++v) {
    Dense row(1, 16);
    std::copy_n(hidden.values.begin(), 16, row.values.begin());
    through.push_back(through.back() + std::exp(-reference::output_losses(row, head, {v})[0]));
  }
  for (std::size_t t = 0; t < labels.size(); ++t) {
    if (t == 7) {
      EXPECT_EQ(labels[t], -1);
      continue;
    }
    ASSERT_TRUE(labels[t] >= 0 && labels[t] < vocabulary);
    const auto label = static_cast<std::size_t>(labels[t]);
    EXPECT_LE(through[label], static_cast<double>(uniforms[t]) + 1e-5);
    EXPECT_GE(through[label + 1], static_cast<double>(uniforms[t]) - 1e-5);
  }
  Dense expected(1, draws);
  expected.values = reference::output_losses(hidden, head, labels);
  EXPECT_LE(scaled_error(losses.get(), expected), 5e-6);
}

TEST_P(BackendSuite, output_refuses_bad_arguments) {
  Guarded hidden = make(DType::f32, 4, 8), head = make(DType::f32, 10, 8), narrow = make(DType::f32, 10, 7);
  Guarded losses = make(DType::f32, 1, 4), half = make(DType::bf16, 10, 8), d_hidden = make(DType::f32, 4, 8);
  std::vector<std::int32_t> labels = {0, 9, -1, 3}, high = {0, 10, 1, 3}, few = {0, 1};
  const std::vector<float> uniforms = {0.5f};
  expect_error(ErrorCode::shape_mismatch,
               [&] { ops::output_losses(backend(), hidden, narrow, labels, losses); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::output_losses(backend(), hidden, head, few, losses); });
  expect_error(ErrorCode::out_of_range, [&] { ops::output_losses(backend(), hidden, head, high, losses); });
  expect_error(ErrorCode::unsupported, [&] { ops::output_losses(backend(), hidden, half, labels, losses); });
  expect_error(ErrorCode::shape_mismatch,
               [&] { ops::output_gradient(backend(), hidden, head, labels, uniforms, losses, d_hidden); });
  expect_error(ErrorCode::shape_mismatch,
               [&] { ops::output_gradient(backend(), hidden, head, labels, {}, losses, head); });
}

}  // namespace cce::backend_suite
