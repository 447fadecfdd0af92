#pragma once
#include "tests/conformance/backend_case.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {

/// window 0: none.
struct AttentionRow {
  const char* name;
  std::int64_t sequences, query_length, key_length, groups, heads, qk_dim, vo_dim, window;
  double scale;
};
inline constexpr AttentionRow attention_rows[] = {{"one_token", 1, 1, 1, 1, 1, 64, 64, 0, 0.125},
                                                  {"short", 2, 7, 7, 2, 3, 8, 8, 0, 0.4},
                                                  {"tile", 1, 32, 32, 1, 2, 32, 32, 0, 0.2},
                                                  {"tile_and_one", 1, 33, 33, 1, 1, 64, 64, 0, 0.2},
                                                  {"query_tile_and_one", 1, 65, 65, 1, 1, 16, 16, 0, 0.3},
                                                  {"odd_dims", 1, 70, 70, 3, 1, 10, 26, 0, 0.3},
                                                  {"vo_wider", 2, 40, 40, 1, 3, 24, 80, 0, 0.3},
                                                  {"wide_head", 1, 20, 20, 1, 1, 256, 256, 0, 0.05},
                                                  {"many_key_tiles", 1, 300, 300, 1, 1, 16, 16, 0, 0.5},
                                                  {"window", 2, 70, 70, 1, 2, 16, 16, 13, 0.5},
                                                  {"window_of_one", 1, 9, 9, 1, 1, 16, 16, 1, 0.5},
                                                  {"long_window", 1, 300, 300, 1, 1, 8, 8, 270, 0.5},
                                                  {"decoding", 1, 1, 77, 3, 3, 64, 64, 0, 0.125},
                                                  {"decoding_window", 1, 1, 77, 2, 1, 16, 16, 20, 0.5},
                                                  {"continuing", 2, 5, 300, 1, 2, 16, 24, 0, 0.4},
                                                  {"steep", 1, 50, 50, 1, 1, 16, 16, 0, 12.0}};

inline AttentionShape shape_of(const AttentionRow& row) {
  AttentionShape shape{.sequences = row.sequences,
                       .query_length = row.query_length,
                       .key_length = row.key_length,
                       .kv_groups = row.groups,
                       .queries_per_group = row.heads,
                       .qk_dim = row.qk_dim,
                       .vo_dim = row.vo_dim,
                       .scale = row.scale,
                       .window = {}};
  if (row.window > 0) {
    shape.window = row.window;
  }
  return shape;
}

/// Inputs of a row as the dtype stores them, in [−1, 1).
struct AttentionInputs {
  AttentionShape shape;
  Dense q, k, v, d_out;
  explicit AttentionInputs(const AttentionRow& row) : shape(shape_of(row)) {
    const std::int64_t queries = row.sequences * row.query_length, keys = row.sequences * row.key_length;
    q = wave_matrix(queries, shape.query_heads() * row.qk_dim, 1);
    k = wave_matrix(keys, row.groups * row.qk_dim, 2);
    v = wave_matrix(keys, row.groups * row.vo_dim, 3);
    d_out = wave_matrix(queries, shape.query_heads() * row.vo_dim, 4);
  }
};

TEST_P(BackendSuite, attention_forward) {
  for (const AttentionRow& row : attention_rows) {
    for (const Precision& precision : activation_precisions) {
      SCOPED_TRACE(std::string(row.name) + " " + std::string(name(precision.dtype)));
      AttentionInputs in(row);
      Guarded q = put(precision.dtype, in.q), k = put(precision.dtype, in.k), v = put(precision.dtype, in.v);
      Guarded out = make(precision.dtype, in.q.rows, in.d_out.cols);
      Guarded log_sum_exp = make(DType::f32, in.q.rows, in.shape.query_heads());
      ops::attention_forward(backend(), in.shape, q, k, v, out, log_sum_exp);
      Dense expected_lse(in.q.rows, in.shape.query_heads());
      const Dense expected = reference::attention(in.shape, in.q, in.k, in.v, &expected_lse);
      EXPECT_LE(scaled_error(out.get(), expected), precision.tolerance);
      EXPECT_LE(scaled_error(log_sum_exp.get(), expected_lse),
                2e-6);  // bf16 products of bf16 inputs are exact
      Guarded again = make(precision.dtype, in.q.rows, in.d_out.cols);
      ops::attention_forward(backend(), in.shape, q, k, v, again, {});
      EXPECT_EQ(again.get().values, out.get().values);
    }
  }
}

/// ∂/∂(q, k, v) of ⟨attention, d_out⟩ in closed form, itself checked by finite differences below.
struct AttentionGradient {
  Dense q, k, v;
};

inline AttentionGradient attention_gradient(const AttentionInputs& in) {
  const AttentionShape& s = in.shape;
  AttentionGradient g{Dense(in.q.rows, in.q.cols), Dense(in.k.rows, in.k.cols), Dense(in.v.rows, in.v.cols)};
  for (std::int64_t t = 0; t < in.q.rows; ++t) {
    const std::int64_t first_key = t / s.query_length * s.key_length;
    for (std::int64_t h = 0; h < s.query_heads(); ++h) {
      const std::int64_t group = h / s.queries_per_group;
      const auto row = reference::attention_row(s, in.q, in.k, t / s.query_length, t % s.query_length, h);
      std::vector<double> d_weight(row.weights.size(), 0.0);
      double mean = 0.0;
      for (std::size_t i = 0; i < d_weight.size(); ++i) {
        for (std::int64_t j = 0; j < s.vo_dim; ++j) {
          const auto key = first_key + static_cast<std::int64_t>(i);
          d_weight[i] += in.d_out(t, h * s.vo_dim + j) * in.v(key, group * s.vo_dim + j);
          g.v(key, group * s.vo_dim + j) += row.weights[i] * in.d_out(t, h * s.vo_dim + j);
        }
        mean += row.weights[i] * d_weight[i];
      }
      for (std::size_t i = 0; i < d_weight.size(); ++i) {
        const double d_score = s.scale * row.weights[i] * (d_weight[i] - mean);
        const auto key = first_key + static_cast<std::int64_t>(i);
        for (std::int64_t j = 0; j < s.qk_dim; ++j) {
          g.q(t, h * s.qk_dim + j) += d_score * in.k(key, group * s.qk_dim + j);
          g.k(key, group * s.qk_dim + j) += d_score * in.q(t, h * s.qk_dim + j);
        }
      }
    }
  }
  return g;
}

TEST(BackendReference, attention_gradient_is_the_finite_difference) {
  const AttentionInputs in({"small", 2, 5, 5, 2, 2, 3, 4, 3, 0.7});
  const AttentionGradient g = attention_gradient(in);
  const auto loss = [&](const Dense& q, const Dense& k, const Dense& v) {
    const Dense out = reference::attention(in.shape, q, k, v);
    double total = 0.0;
    for (std::size_t i = 0; i < out.values.size(); ++i) {
      total += out.values[i] * in.d_out.values[i];
    }
    return total;
  };
  const auto by_q = reference::finite_difference(in.q, [&](const Dense& at) { return loss(at, in.k, in.v); });
  const auto by_k = reference::finite_difference(in.k, [&](const Dense& at) { return loss(in.q, at, in.v); });
  const auto by_v = reference::finite_difference(in.v, [&](const Dense& at) { return loss(in.q, in.k, at); });
  EXPECT_LE(scaled_error(g.q, by_q), 1e-8);
  EXPECT_LE(scaled_error(g.k, by_k), 1e-8);
  EXPECT_LE(scaled_error(g.v, by_v), 1e-8);
}

TEST_P(BackendSuite, attention_backward) {
  for (const AttentionRow& row : attention_rows) {
    if (row.query_length != row.key_length) {
      continue;
    }
    for (const Precision& precision : activation_precisions) {
      SCOPED_TRACE(std::string(row.name) + " " + std::string(name(precision.dtype)));
      AttentionInputs in(row);
      Guarded q = put(precision.dtype, in.q), k = put(precision.dtype, in.k), v = put(precision.dtype, in.v);
      Guarded d_out = put(precision.dtype, in.d_out), out = make(precision.dtype, in.q.rows, in.d_out.cols);
      Guarded log_sum_exp = make(DType::f32, in.q.rows, in.shape.query_heads());
      ops::attention_forward(backend(), in.shape, q, k, v, out, log_sum_exp);
      const AttentionGradient expected = attention_gradient(in);
      for (const DType gradient_dtype : {DType::f32, precision.dtype}) {
        Guarded d_q = make(gradient_dtype, in.q.rows, in.q.cols);
        Guarded d_k = make(gradient_dtype, in.k.rows, in.k.cols);
        Guarded d_v = make(gradient_dtype, in.v.rows, in.v.cols);
        ops::attention_backward(backend(), in.shape, q, k, v, out, log_sum_exp, d_out, d_q, d_k, d_v);
        // A query that sees one key has a gradient of 0 through its score: there only noise is left to
        // compare.
        const double floor = row.key_length == 1 || row.window == 1 ? 1e-2 : 0.0;
        const auto error = [&](const Dense& found, const Dense& wanted) {
          double scale = floor;
          for (const double value : wanted.values) {
            scale = std::max(scale, std::abs(value));
          }
          double worst = 0.0;
          for (std::size_t i = 0; i < wanted.values.size(); ++i) {
            worst = std::max(worst, std::abs(found.values[i] - wanted.values[i]));
          }
          return worst / scale;
        };
        // Scores are rounded at scale × their size, and weights carry that as a relative error.
        const double tolerance = floor > 0.0 ? 1.0 : precision.tolerance * std::max(1.0, row.scale);
        EXPECT_LE(error(d_q.get(), expected.q), tolerance);
        EXPECT_LE(error(d_k.get(), expected.k), tolerance);
        EXPECT_LE(error(d_v.get(), expected.v), precision.tolerance * std::max(1.0, row.scale));
      }
    }
  }
}

TEST_P(BackendSuite, attention_repeats_to_the_bit) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    AttentionInputs in({"repeated", 2, 150, 150, 2, 3, 24, 40, 0, 0.4});
    Guarded q = put(dtype, in.q), k = put(dtype, in.k), v = put(dtype, in.v), d_out = put(dtype, in.d_out);
    std::vector<std::vector<double>> results;
    for (int run = 0; run < 2; ++run) {
      Guarded out = make(dtype, in.q.rows, in.d_out.cols);
      Guarded log_sum_exp = make(DType::f32, in.q.rows, in.shape.query_heads());
      Guarded d_q = make(DType::f32, in.q.rows, in.q.cols), d_k = make(DType::f32, in.k.rows, in.k.cols);
      Guarded d_v = make(DType::f32, in.v.rows, in.v.cols);
      Dense nothing(1, in.shape.query_heads());
      Guarded variance = put(DType::f64, nothing);
      ops::attention_forward(backend(), in.shape, q, k, v, out, log_sum_exp);
      ops::attention_backward(backend(), in.shape, q, k, v, out, log_sum_exp, d_out, d_q, d_k, d_v);
      ops::attention_variance(backend(), in.shape, q, k, log_sum_exp, 3, variance);
      for (Guarded* matrix : {&out, &log_sum_exp, &d_q, &d_k, &d_v, &variance}) {
        results.push_back(matrix->get().values);
      }
    }
    for (std::size_t i = 0; i < 6; ++i) {
      EXPECT_EQ(results[i], results[i + 6]) << name(dtype) << " result " << i;
    }
  }
}

TEST_P(BackendSuite, attention_variance_adds_per_head) {
  for (const AttentionRow& row : attention_rows) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      SCOPED_TRACE(std::string(row.name) + " " + std::string(name(dtype)));
      AttentionInputs in(row);
      Guarded q = put(dtype, in.q), k = put(dtype, in.k), v = put(dtype, in.v);
      Guarded out = make(dtype, in.q.rows, in.d_out.cols);
      Guarded log_sum_exp = make(DType::f32, in.q.rows, in.shape.query_heads());
      ops::attention_forward(backend(), in.shape, q, k, v, out, log_sum_exp);
      const std::int64_t first_query = row.key_length / 3;
      Dense expected = wave_matrix(1, in.shape.query_heads(), 9);
      Guarded variance = put(DType::f64, expected);
      ops::attention_variance(backend(), in.shape, q, k, log_sum_exp, first_query, variance);
      for (std::int64_t t = 0; t < in.q.rows; ++t) {
        if (row.key_length - row.query_length + t % row.query_length < first_query) {
          continue;
        }
        for (std::int64_t h = 0; h < in.shape.query_heads(); ++h) {
          const auto weights =
              reference::attention_row(in.shape, in.q, in.k, t / row.query_length, t % row.query_length, h);
          const auto n = static_cast<double>(weights.visible);
          double squares = 0.0;
          for (const double weight : weights.weights) {
            squares += weight * weight;
          }
          expected(0, h) += squares / n - 1.0 / (n * n);
        }
      }
      EXPECT_LE(scaled_error(variance.get(), expected), 1e-5);
    }
  }
}

TEST_P(BackendSuite, attention_refuses_bad_arguments) {
  const AttentionRow row{"small", 1, 4, 4, 2, 2, 8, 8, 0, 0.5};
  const AttentionShape good = shape_of(row);
  Guarded q = make(DType::f32, 4, 32), k = make(DType::f32, 4, 16), v = make(DType::f32, 4, 16);
  Guarded out = make(DType::f32, 4, 32), lse = make(DType::f32, 4, 4), half = make(DType::bf16, 4, 16);
  Guarded wide = make(DType::f64, 1, 4);
  const auto forward = [&](const AttentionShape& shape, Guarded& keys, Guarded& sums) {
    return [&, shape] { ops::attention_forward(backend(), shape, q, keys, v, out, sums); };
  };
  EXPECT_NO_THROW(forward(good, k, lse)());
  AttentionShape bad = good;
  bad.query_length = 5;
  expect_error(ErrorCode::shape_mismatch, forward(bad, k, lse));
  bad = good;
  bad.qk_dim = 7;
  expect_error(ErrorCode::shape_mismatch, forward(bad, k, lse));
  bad = good;
  bad.window = 0;
  expect_error(ErrorCode::shape_mismatch, forward(bad, k, lse));
  bad = good;
  bad.scale = 0.0;
  expect_error(ErrorCode::shape_mismatch, forward(bad, k, lse));
  expect_error(ErrorCode::unsupported, forward(good, half, lse));
  expect_error(ErrorCode::shape_mismatch, forward(good, k, v));
  expect_error(ErrorCode::unsupported, forward(good, k, half));
  expect_error(ErrorCode::shape_mismatch,
               [&] { ops::attention_backward(backend(), good, q, k, v, out, lse, out, q, k, out); });
  expect_error(ErrorCode::unsupported,
               [&] { ops::attention_variance(backend(), good, q, k, lse, 0, lse.view().rows_from(0, 1)); });
  expect_error(ErrorCode::shape_mismatch,
               [&] { ops::attention_variance(backend(), good, q, k, lse, 0, wide.view().cols_from(0, 3)); });
}

}  // namespace cce::backend_suite
