#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "common/model/activation.h"
#include "worker/tensor/backend.h"
#include "worker/tensor/ops/attention/attention_ops.h"

/// Plain f64 versions of the backend's operations: loops that follow the formulas, nothing else.
namespace cce::reference {

/// A dense row-major f64 matrix.
struct Dense {
  std::int64_t rows = 0, cols = 0;
  std::vector<double> values;

  Dense() = default;
  Dense(std::int64_t row_count, std::int64_t col_count)
      : rows(row_count), cols(col_count), values(static_cast<std::size_t>(row_count * col_count), 0.0) {}
  double& operator()(std::int64_t i, std::int64_t j) {
    return values[static_cast<std::size_t>(i * cols + j)];
  }
  double operator()(std::int64_t i, std::int64_t j) const {
    return values[static_cast<std::size_t>(i * cols + j)];
  }
};

inline Dense transpose(const Dense& a) {
  Dense result(a.cols, a.rows);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < a.cols; ++j) {
      result(j, i) = a(i, j);
    }
  }
  return result;
}

inline Dense multiply(const Dense& a, const Dense& b) {
  Dense result(a.rows, b.cols);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t k = 0; k < a.cols; ++k) {
      for (std::int64_t j = 0; j < b.cols; ++j) {
        result(i, j) += a(i, k) * b(k, j);
      }
    }
  }
  return result;
}

inline double activated(Activation activation, double x) {
  if (activation == Activation::gelu_tanh) {
    return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
  }
  return x / (1.0 + std::exp(-x));
}

inline Dense rms_norm(const Dense& x, const Dense& gain, double epsilon) {
  Dense result(x.rows, x.cols);
  for (std::int64_t i = 0; i < x.rows; ++i) {
    double squares = 0.0;
    for (std::int64_t j = 0; j < x.cols; ++j) {
      squares += x(i, j) * x(i, j);
    }
    for (std::int64_t j = 0; j < x.cols; ++j) {
      result(i, j) = gain(0, j) * x(i, j) / std::sqrt(squares / static_cast<double>(x.cols) + epsilon);
    }
  }
  return result;
}

/// Attention weights of one head of one query: keys × 1 probabilities, 0 where masked; and the log-sum-exp.
struct AttentionRow {
  std::vector<double> weights;
  double log_sum_exp = 0.0;
  std::int64_t visible = 0;
};

inline AttentionRow attention_row(const AttentionShape& shape, const Dense& q, const Dense& k,
                                  std::int64_t sequence, std::int64_t query, std::int64_t head) {
  const std::int64_t position = shape.key_length - shape.query_length + query;
  const std::int64_t group = head / shape.queries_per_group;
  AttentionRow row;
  row.weights.assign(static_cast<std::size_t>(shape.key_length), 0.0);
  double total = 0.0;
  for (std::int64_t key = 0; key <= position; ++key) {
    if (shape.window && position - key >= *shape.window) {
      continue;
    }
    double score = 0.0;
    for (std::int64_t j = 0; j < shape.qk_dim; ++j) {
      score += q(sequence * shape.query_length + query, head * shape.qk_dim + j) *
               k(sequence * shape.key_length + key, group * shape.qk_dim + j);
    }
    row.weights[static_cast<std::size_t>(key)] = std::exp(shape.scale * score);
    total += row.weights[static_cast<std::size_t>(key)];
    ++row.visible;
  }
  for (double& weight : row.weights) {
    weight /= total;
  }
  row.log_sum_exp = std::log(total);
  return row;
}

inline Dense attention(const AttentionShape& shape, const Dense& q, const Dense& k, const Dense& v,
                       Dense* log_sum_exp = nullptr) {
  const std::int64_t heads = shape.query_heads();
  Dense out(q.rows, heads * shape.vo_dim);
  for (std::int64_t token = 0; token < q.rows; ++token) {
    const std::int64_t sequence = token / shape.query_length;
    for (std::int64_t head = 0; head < heads; ++head) {
      const AttentionRow row = attention_row(shape, q, k, sequence, token % shape.query_length, head);
      if (log_sum_exp != nullptr) {
        (*log_sum_exp)(token, head) = row.log_sum_exp;
      }
      for (std::int64_t key = 0; key < shape.key_length; ++key) {
        for (std::int64_t j = 0; j < shape.vo_dim; ++j) {
          out(token, head * shape.vo_dim + j) +=
              row.weights[static_cast<std::size_t>(key)] *
              v(sequence * shape.key_length + key, head / shape.queries_per_group * shape.vo_dim + j);
        }
      }
    }
  }
  return out;
}

/// −log softmax(hidden headᵀ)[label] of each token, 0 for negative labels.
inline std::vector<double> output_losses(const Dense& hidden, const Dense& head,
                                         const std::vector<std::int32_t>& labels) {
  const Dense logits = multiply(hidden, transpose(head));
  std::vector<double> losses;
  for (std::int64_t t = 0; t < hidden.rows; ++t) {
    const std::int32_t label = labels[static_cast<std::size_t>(t)];
    double top = logits(t, 0), total = 0.0;
    for (std::int64_t v = 0; v < head.rows; ++v) {
      top = std::max(top, logits(t, v));
    }
    for (std::int64_t v = 0; v < head.rows; ++v) {
      total += std::exp(logits(t, v) - top);
    }
    losses.push_back(label < 0 ? 0.0 : top + std::log(total) - logits(t, label));
  }
  return losses;
}

/// ∂/∂x of f at x by central differences, entry by entry.
inline Dense finite_difference(Dense x, const std::function<double(const Dense&)>& f, double step = 1e-5) {
  Dense gradient(x.rows, x.cols);
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const double centre = x.values[i];
    x.values[i] = centre + step;
    const double above = f(x);
    x.values[i] = centre - step;
    const double below = f(x);
    x.values[i] = centre;
    gradient.values[i] = (above - below) / (2.0 * step);
  }
  return gradient;
}

}  // namespace cce::reference
