#pragma once
#include "tests/conformance/backend_case.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {

struct SizeRow {
  std::int64_t rows, cols;
};
inline constexpr SizeRow training_sizes[] = {{1, 1}, {3, 15}, {7, 149}, {200, 64}, {2, 40000}};

TEST_P(BackendSuite, inner_products_add_up) {
  for (const SizeRow& size : training_sizes) {
    for (const DType a_dtype : {DType::f32, DType::bf16}) {
      for (const DType b_dtype : {DType::f32, DType::bf16}) {
        SCOPED_TRACE(std::to_string(size.rows) + " x " + std::to_string(size.cols));
        Dense a = wave_matrix(size.rows, size.cols, 1), b = wave_matrix(size.rows, size.cols, 2);
        for (double& value : b.values) value += 0.5;
        Dense sum(1, 1);
        sum(0, 0) = 3.0;
        Guarded device_a = put(a_dtype, a), device_b = put(b_dtype, b), device_sum = put(DType::f64, sum);
        ops::add_inner_product(backend(), device_a, device_b, device_sum);
        double expected = 3.0, magnitude = 3.0;
        for (std::size_t i = 0; i < a.values.size(); ++i) {
          expected += a.values[i] * b.values[i];
          magnitude += std::abs(a.values[i] * b.values[i]);
        }
        EXPECT_NEAR(device_sum.get()(0, 0), expected, 1e-6 * magnitude);
        EXPECT_NEAR(ops::inner_product(backend(), device_a, device_b), expected - 3.0, 1e-6 * magnitude);
      }
    }
  }
  Guarded a = make(DType::f32, 2, 3), narrow = make(DType::f32, 2, 2), sum = make(DType::f64, 1, 1);
  Guarded single = make(DType::f32, 1, 1);
  expect_error(ErrorCode::shape_mismatch, [&] { ops::add_inner_product(backend(), a, narrow, sum); });
  expect_error(ErrorCode::unsupported, [&] { ops::add_inner_product(backend(), a, a, single); });
}

TEST_P(BackendSuite, rms_norm_gain_gradient_is_the_finite_difference) {
  const double epsilon = 1e-3;
  for (const SizeRow& size : {SizeRow{1, 1}, SizeRow{3, 15}, SizeRow{200, 149}}) {
    Dense x = wave_matrix(size.rows, size.cols, 1, 2.0), d_out = wave_matrix(size.rows, size.cols, 2);
    Dense start = wave_matrix(1, size.cols, 3), gain = wave_matrix(1, size.cols, 4);
    Guarded device = put(DType::f32, x), device_d_out = put(DType::f32, d_out),
            d_gain = put(DType::f32, start);
    ops::rms_norm_gain_gradient(backend(), device_d_out, device, epsilon, d_gain);
    Dense expected = reference::finite_difference(gain, [&](const Dense& at) {
      const Dense out = reference::rms_norm(x, at, epsilon);
      double loss = 0.0;
      for (std::size_t i = 0; i < out.values.size(); ++i) loss += out.values[i] * d_out.values[i];
      return loss;
    });
    for (std::int64_t j = 0; j < size.cols; ++j) expected(0, j) += start(0, j);
    EXPECT_LE(scaled_error(d_gain.get(), expected), 4e-6) << size.rows << " x " << size.cols;
  }
  Guarded x = make(DType::f32, 2, 3), half = make(DType::bf16, 2, 3), gain = make(DType::f32, 1, 3);
  expect_error(ErrorCode::unsupported,
               [&] { ops::rms_norm_gain_gradient(backend(), half, x, epsilon, gain); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::rms_norm_gain_gradient(backend(), x, x, epsilon, x); });
}

/// Σ_t ‖x_t − y_t‖² / ‖y_t‖², 0 for rows without a target.
inline std::vector<double> relative_errors(const Dense& x, const Dense& target) {
  std::vector<double> losses;
  for (std::int64_t i = 0; i < x.rows; ++i) {
    double error = 0.0, square = 0.0;
    for (std::int64_t j = 0; j < x.cols; ++j) {
      error += (x(i, j) - target(i, j)) * (x(i, j) - target(i, j));
      square += target(i, j) * target(i, j);
    }
    losses.push_back(square > 0.0 ? error / square : 0.0);
  }
  return losses;
}

TEST_P(BackendSuite, relative_error_and_its_gradient) {
  const double scale = 0.7;
  for (const Precision& target_row : activation_precisions) {
    for (const Precision& gradient_row : activation_precisions) {
      for (const SizeRow& size : {SizeRow{1, 1}, SizeRow{4, 15}, SizeRow{9, 149}}) {
        Dense x = wave_matrix(size.rows, size.cols, 1), target = wave_matrix(size.rows, size.cols, 2);
        if (size.rows > 2) {
          for (std::int64_t j = 0; j < size.cols; ++j) target(2, j) = 0.0;
        }
        Guarded device = put(DType::f32, x), device_target = put(target_row.dtype, target);
        Guarded losses = make(DType::f32, 1, size.rows), same = make(DType::f32, 1, size.rows);
        Guarded gradient = make(gradient_row.dtype, size.rows, size.cols);
        ops::relative_error(backend(), device, device_target, scale, losses, gradient);
        ops::relative_error(backend(), device, device_target, scale, same, {});
        Dense expected(1, size.rows);
        expected.values = relative_errors(x, target);
        EXPECT_LE(scaled_error(losses.get(), expected), 2e-6);
        EXPECT_EQ(same.get().values, losses.get().values);
        const Dense slopes = reference::finite_difference(x, [&](const Dense& at) {
          double total = 0.0;
          for (const double loss : relative_errors(at, target)) total += scale * loss;
          return total;
        });
        EXPECT_LE(scaled_error(gradient.get(), slopes), gradient_row.tolerance);
        if (gradient_row.dtype == target_row.dtype) {  // in the target's own memory
          ops::relative_error(backend(), device, device_target, scale, same, device_target);
          EXPECT_EQ(device_target.get().values, gradient.get().values);
        }
      }
    }
  }
  Guarded x = make(DType::f32, 2, 3), half = make(DType::bf16, 2, 3), losses = make(DType::f32, 1, 2);
  expect_error(ErrorCode::unsupported, [&] { ops::relative_error(backend(), half, x, 1.0, losses, {}); });
  expect_error(ErrorCode::shape_mismatch,
               [&] { ops::relative_error(backend(), x, losses, 1.0, losses, {}); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::relative_error(backend(), x, x, 1.0, losses, losses); });
}

/// AdamWStep's formula in f64.
inline void reference_adamw(const AdamWStep& step, const Dense& gradient, Dense& weights, Dense& m,
                            Dense& v) {
  const auto t = static_cast<double>(step.step);
  for (std::size_t i = 0; i < weights.values.size(); ++i) {
    const double g = step.gradient_scale * gradient.values[i];
    m.values[i] = step.beta1 * m.values[i] + (1.0 - step.beta1) * g;
    v.values[i] = step.beta2 * v.values[i] + (1.0 - step.beta2) * g * g;
    const double first = m.values[i] / (1.0 - std::pow(step.beta1, t));
    const double second = v.values[i] / (1.0 - std::pow(step.beta2, t));
    weights.values[i] *= 1.0 - step.learning_rate * step.weight_decay;
    weights.values[i] -= step.learning_rate * first / (std::sqrt(second) + step.epsilon);
  }
}

TEST_P(BackendSuite, adamw_follows_its_formula_for_many_steps) {
  for (const Precision& copy_row : activation_precisions) {
    for (const SizeRow& size : training_sizes) {
      Dense weights = wave_matrix(size.rows, size.cols, 1), m(size.rows, size.cols), v(size.rows, size.cols);
      Guarded device = put(DType::f32, weights), device_m = put(DType::f32, m), device_v = put(DType::f32, v);
      Guarded copy = make(copy_row.dtype, size.rows, size.cols);
      for (std::int64_t t = 1; t <= 5; ++t) {
        Dense gradient = wave_matrix(size.rows, size.cols, 10 + t, 0.3);
        Guarded device_gradient = put(DType::f32, gradient);
        const AdamWStep step{.step = t,
                             .learning_rate = 0.01,
                             .beta1 = 0.9,
                             .beta2 = 0.95,
                             .epsilon = 1e-8,
                             .weight_decay = 0.1,
                             .gradient_scale = 0.5};
        ops::adamw(backend(), step, device_gradient, device, device_m, device_v,
                   t == 5 ? copy.view() : Matrix{});
        reference_adamw(step, gradient, weights, m, v);
      }
      EXPECT_LE(scaled_error(device.get(), weights), 1e-6);
      EXPECT_LE(scaled_error(device_m.get(), m), 1e-6);
      EXPECT_LE(scaled_error(device_v.get(), v), 1e-6);
      Dense rounded = device.get();
      for (double& value : rounded.values) value = stored(value, copy_row.dtype);
      EXPECT_EQ(copy.get().values, rounded.values);
    }
  }
}

TEST_P(BackendSuite, adamw_refuses_bad_arguments) {
  Guarded a = make(DType::f32, 2, 3), half = make(DType::bf16, 2, 3), narrow = make(DType::f32, 2, 2);
  const AdamWStep step{.learning_rate = 0.01};
  expect_error(ErrorCode::shape_mismatch, [&] { ops::adamw(backend(), step, narrow, a, a, a, {}); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::adamw(backend(), step, a, a, a, a, narrow); });
  expect_error(ErrorCode::unsupported, [&] { ops::adamw(backend(), step, a, half, a, a, {}); });
  expect_error(ErrorCode::out_of_range, [&] { ops::adamw(backend(), {.step = 0}, a, a, a, a, {}); });
  expect_error(ErrorCode::out_of_range, [&] { ops::adamw(backend(), {.beta2 = 1.0}, a, a, a, a, {}); });
}

struct DivergenceRow {
  const char* name;
  std::int64_t tokens, hidden, vocabulary;
  double amplitude;   ///< of the head: how far apart the logits lie
  double difference;  ///< of the student from the teacher
};
inline constexpr DivergenceRow divergence_rows[] = {
    {"one_token", 1, 8, 3, 1.0, 1.0},      {"one_word", 3, 8, 1, 1.0, 1.0},
    {"small", 70, 33, 50, 1.0, 1.0},       {"odd_vocabulary", 9, 16, 1013, 1.0, 0.5},
    {"many_chunks", 530, 8, 67, 1.0, 1.0}, {"steep", 20, 32, 300, 8.0, 0.5},
    {"close", 40, 32, 700, 2.0, 0.05},     {"whole_tiles", 64, 64, 1024, 1.0, 1.0}};

/// log softmax(hidden headᵀ).
inline Dense log_probabilities(const Dense& hidden, const Dense& head) {
  Dense logits = reference::multiply(hidden, reference::transpose(head));
  const std::vector<double> first = reference::output_losses(
      hidden, head, std::vector<std::int32_t>(static_cast<std::size_t>(hidden.rows), 0));
  for (std::int64_t t = 0; t < hidden.rows; ++t) {
    const double log_sum_exp = first[static_cast<std::size_t>(t)] + logits(t, 0);
    for (std::int64_t v = 0; v < head.rows; ++v) logits(t, v) -= log_sum_exp;
  }
  return logits;
}

inline Dense divergences(const Dense& hidden, const Dense& head, const Dense& log_p) {
  const Dense log_q = log_probabilities(hidden, head);
  Dense result(1, hidden.rows);
  for (std::int64_t t = 0; t < hidden.rows; ++t) {
    for (std::int64_t v = 0; v < head.rows; ++v) {
      result(0, t) += std::exp(log_p(t, v)) * (log_p(t, v) - log_q(t, v));
    }
  }
  return result;
}

inline Dense divergence_gradient(const Dense& hidden, const Dense& head, const Dense& log_p) {
  Dense errors = log_probabilities(hidden, head);
  for (std::size_t i = 0; i < errors.values.size(); ++i) {
    errors.values[i] = std::exp(errors.values[i]) - std::exp(log_p.values[i]);
  }
  return reference::multiply(errors, head);
}

/// How much larger the halves Σ_v p |w_v| and Σ_v q |w_v| of the gradient are than their difference: rounding
/// is relative to the halves. At least 1.
inline double cancellation(const Dense& log_p, const Dense& log_q, const Dense& head, const Dense& gradient) {
  const auto largest = [](const Dense& matrix) {
    double result = 0.0;
    for (const double value : matrix.values) result = std::max(result, std::abs(value));
    return result;
  };
  Dense both = log_p, sizes = head;
  for (std::size_t i = 0; i < both.values.size(); ++i) {
    both.values[i] = std::exp(log_p.values[i]) + std::exp(log_q.values[i]);
  }
  for (double& value : sizes.values) value = std::abs(value);
  return std::max(1.0, largest(reference::multiply(both, sizes)) / largest(gradient));
}

TEST(BackendReference, divergence_gradient_is_the_finite_difference) {
  const Dense hidden = wave_matrix(4, 6, 1), head = wave_matrix(9, 6, 2);
  const Dense log_p = log_probabilities(wave_matrix(4, 6, 3), head);
  const Dense expected = reference::finite_difference(hidden, [&](const Dense& at) {
    double total = 0.0;
    for (const double value : divergences(at, head, log_p).values) total += value;
    return total;
  });
  EXPECT_LE(scaled_error(divergence_gradient(hidden, head, log_p), expected), 1e-8);
}

TEST_P(BackendSuite, output_divergence_and_its_gradient) {
  const double scale = 0.25;
  for (const DivergenceRow& row : divergence_rows) {
    for (const Precision& precision : activation_precisions) {
      for (const bool own_head : {false, true}) {
        SCOPED_TRACE(std::string(row.name) + " " + std::string(name(precision.dtype)));
        Dense hidden = wave_matrix(row.tokens, row.hidden, 1), teacher = hidden;
        const Dense change = wave_matrix(row.tokens, row.hidden, 5, row.difference);
        for (std::size_t i = 0; i < teacher.values.size(); ++i) teacher.values[i] += change.values[i];
        Dense head = wave_matrix(row.vocabulary, row.hidden, 2, row.amplitude);
        Dense teacher_head = own_head ? wave_matrix(row.vocabulary, row.hidden, 7, row.amplitude) : head;
        Guarded device = put(precision.dtype, hidden), device_teacher = put(precision.dtype, teacher);
        Guarded device_head = put(precision.dtype, head), other_head = put(precision.dtype, teacher_head);
        Guarded divergence = make(DType::f32, 1, row.tokens);
        Guarded d_hidden = make(DType::f32, row.tokens, row.hidden);
        ops::output_divergence(backend(), device, device_head, device_teacher,
                               own_head ? other_head : device_head, scale, divergence, d_hidden);
        const Dense log_p = log_probabilities(teacher, teacher_head);
        if (row.vocabulary == 1) {
          EXPECT_THAT(divergence.get().values, testing::Each(testing::DoubleNear(0.0, 1e-6)));
          EXPECT_THAT(d_hidden.get().values, testing::Each(testing::DoubleNear(0.0, 1e-6)));
          continue;
        }
        Dense expected = divergence_gradient(hidden, head, log_p);
        const double cancelled = cancellation(log_p, log_probabilities(hidden, head), head, expected);
        for (double& value : expected.values) value *= scale;
        const Dense losses = divergences(hidden, head, log_p), found = divergence.get();
        for (std::int64_t t = 0; t < row.tokens; ++t) {  // log-sum-exps up to 10² in f32 cancel in it
          EXPECT_NEAR(found(0, t), losses(0, t), 1e-5 * losses(0, t) + 1e-5) << "token " << t;
        }
        EXPECT_LE(scaled_error(d_hidden.get(), expected), precision.tolerance * std::max(4.0, cancelled));
      }
    }
  }
}

TEST_P(BackendSuite, losses_show_numbers_that_are_not_finite) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Dense hidden = wave_matrix(40, 32, 1), teacher = wave_matrix(40, 32, 2), head = wave_matrix(100, 32, 3);
    hidden(3, 5) = teacher(7, 0) = std::nan("");
    Guarded device = put(dtype, hidden), device_teacher = put(dtype, teacher), device_head = put(dtype, head);
    Guarded stream = put(DType::f32, hidden), d_hidden = make(DType::f32, 40, 32);
    Guarded divergence = make(DType::f32, 1, 40), errors = make(DType::f32, 1, 40);
    ops::output_divergence(backend(), device, device_head, device_teacher, device_head, 1.0, divergence,
                           d_hidden);
    ops::relative_error(backend(), stream, device_teacher, 1.0, errors, {});
    const Dense first = divergence.get(), second = errors.get();
    for (std::int64_t t = 0; t < 40; ++t) {
      EXPECT_EQ(std::isfinite(first(0, t)), t != 3 && t != 7) << name(dtype) << " divergence of token " << t;
      EXPECT_EQ(std::isfinite(second(0, t)), t != 3 && t != 7) << name(dtype) << " error of token " << t;
    }
  }
  Dense values = wave_matrix(3, 50, 1);
  values(1, 7) = std::nan("");
  Guarded device = put(DType::f32, values);
  EXPECT_FALSE(std::isfinite(ops::inner_product(backend(), device, device)));
}

TEST_P(BackendSuite, output_divergence_refuses_bad_arguments) {
  Guarded hidden = make(DType::f32, 4, 8), head = make(DType::f32, 10, 8),
          short_head = make(DType::f32, 9, 8);
  Guarded half = make(DType::bf16, 4, 8), losses = make(DType::f32, 1, 4), d_hidden = make(DType::f32, 4, 8);
  Guarded few = make(DType::f32, 3, 8);
  const auto call = [&](ConstMatrix own_head, ConstMatrix teacher, ConstMatrix teacher_head, Matrix out) {
    ops::output_divergence(backend(), hidden, own_head, teacher, teacher_head, 1.0, losses, out);
  };
  expect_error(ErrorCode::unsupported, [&] { call(head, half, head, d_hidden); });
  expect_error(ErrorCode::shape_mismatch, [&] { call(head, hidden, short_head, d_hidden); });
  expect_error(ErrorCode::shape_mismatch, [&] { call(head, few, head, d_hidden); });
  expect_error(ErrorCode::shape_mismatch, [&] { call(head, hidden, head, few); });
}

}  // namespace cce::backend_suite
