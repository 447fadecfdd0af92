#include "worker/numeric/column_elimination.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

[[noreturn]] void throw_range(const std::string& where, std::int64_t found, const std::string& expected) {
  throw Error{.code = ErrorCode::out_of_range,
              .where = where,
              .found = std::to_string(found),
              .expected = expected,
              .remedy = "Choose a value in this range"};
}

/// Steps 4 on the candidates alone: everything stays in a cache.
class CandidatePicker {
 public:
  CandidatePicker(Matrix inverse, Matrix outputs)
      : p_(inverse), q_(outputs), removed_(static_cast<std::size_t>(inverse.rows), false) {}

  struct Pick {
    std::int64_t candidate;
    double cost;
  };

  Pick pick() {
    const std::int64_t count = p_.rows;
    Pick best{-1, 0.0};
    for (std::int64_t j = 0; j < count; ++j) {
      const double pivot = row_of(p_, j)[j];
      if (removed_[static_cast<std::size_t>(j)] || !(pivot > 0.0)) {
        continue;
      }
      const double cost = 0.5 * std::max(row_of(q_, j)[j], 0.0) / pivot;
      if (best.candidate < 0 || cost < best.cost) {
        best = {j, cost};
      }
    }
    if (best.candidate < 0) {
      throw Error{.code = ErrorCode::not_positive_definite,
                  .where = "column elimination",
                  .found = "no candidate with a positive pivot",
                  .expected = "a covariance that stays positive definite",
                  .remedy = "Raise the covariance's ridge"};
    }
    remove(best.candidate);
    return best;
  }

 private:
  /// Q ← Q − p Q_a: − Q_:a pᵀ + Q_aa p pᵀ and P ← P − p P_a:, over the remaining rows and columns.
  void remove(std::int64_t a) {
    removed_[static_cast<std::size_t>(a)] = true;
    const std::int64_t count = p_.rows;
    const std::vector<double> row_p(row_of(p_, a), row_of(p_, a) + count);
    const std::vector<double> row_q(row_of(q_, a), row_of(q_, a) + count);
    const double pivot = row_p[static_cast<std::size_t>(a)];
    const double q_aa = row_q[static_cast<std::size_t>(a)];
    for (std::int64_t i = 0; i < count; ++i) {
      const auto row = static_cast<std::size_t>(i);
      if (removed_[row]) {
        continue;
      }
      const double p_i = row_p[row] / pivot;
      const double from_row_a = q_aa * p_i - row_q[row];
      double* const p = row_of(p_, i);
      double* const q = row_of(q_, i);
      for (std::int64_t j = 0; j < count; ++j) {
        const auto col = static_cast<std::size_t>(j);
        q[j] += from_row_a * (row_p[col] / pivot) - p_i * row_q[col];
        p[j] -= p_i * row_p[col];
      }
    }
  }

  Matrix p_;
  Matrix q_;
  std::vector<bool> removed_;
};

/// The state of one elimination. Positions [0, eliminated) of `x` hold rows of U, positions beyond hold the
/// rows of the original inverse; rows and columns are permuted alike, so that what is active stays
/// contiguous.
class Elimination {
 public:
  Elimination(Backend& backend, OwnedMatrix inverse, OwnedMatrix outputs, std::vector<std::int32_t> features)
      : backend_(backend),
        x_(std::move(inverse)),
        w_(std::move(outputs)),
        feature_(std::move(features)),
        squared_norm_(feature_.size()) {
    diagonal_ = diagonal_of(backend, std::as_const(x_).view());
    update_norms(0);
  }

  std::int64_t size() const { return x_.rows(); }
  std::int64_t active() const { return size() - eliminated_; }

  /// Steps 3 to 5 for `count` features.
  void step(std::int64_t count, double nats_per_unit, EliminationCurve& curve) {
    const std::vector<std::int64_t> candidates = lowest_scores(std::min(4 * count, active()));
    const std::vector<std::int32_t> list(candidates.begin(), candidates.end());
    OwnedMatrix p = candidate_inverse(list);
    OwnedMatrix q = candidate_outputs(list);
    HostEdit host_p(backend_, p.view()), host_q(backend_, q.view());
    CandidatePicker picker(host_p.view(), host_q.view());
    std::vector<std::int64_t> picked;
    double total = curve.cost.empty() ? 0.0 : curve.cost.back();
    for (std::int64_t i = 0; i < count; ++i) {
      const auto pick = picker.pick();
      const std::int64_t position = candidates[index(pick.candidate)];
      picked.push_back(position);
      total += nats_per_unit * pick.cost;
      curve.order.push_back(feature_[index(position)]);
      curve.cost.push_back(total);
    }
    if (count < active()) {  // nothing is left to update after the last step
      move_to_front(picked);
      eliminate_front(count);
    }
    eliminated_ += count;
  }

 private:
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  /// Step 3, ascending by (score, feature).
  std::vector<std::int64_t> lowest_scores(std::int64_t count) const {
    std::vector<std::int64_t> positions(index(active()));
    std::iota(positions.begin(), positions.end(), eliminated_);
    const auto before = [this](std::int64_t a, std::int64_t b) {
      const double score_a = squared_norm_[index(a)] / diagonal_[index(a)];
      const double score_b = squared_norm_[index(b)] / diagonal_[index(b)];
      return score_a != score_b ? score_a < score_b : feature_[index(a)] < feature_[index(b)];
    };
    std::partial_sort(positions.begin(), positions.begin() + count, positions.end(), before);
    positions.resize(index(count));
    return positions;
  }

  /// P = X_cc − U_:cᵀ U_:c.
  OwnedMatrix candidate_inverse(const std::vector<std::int32_t>& candidates) {
    const auto count = static_cast<std::int64_t>(candidates.size());
    OwnedMatrix p = backend_.matrix(DType::f64, count, count);
    ops::gather(backend_, x_.view(), candidates, candidates, p.view());
    if (eliminated_ > 0) {
      OwnedMatrix u = backend_.matrix(DType::f64, eliminated_, count);
      ops::gather(backend_, x_.view().rows_from(0, eliminated_), {}, candidates, u.view());
      ops::multiply(backend_, u.view(), Transpose::yes, u.view(), Transpose::no, p.view(), -1.0, 1.0);
    }
    return p;
  }

  /// Q = W̃_c W̃_cᵀ.
  OwnedMatrix candidate_outputs(const std::vector<std::int32_t>& candidates) {
    const auto count = static_cast<std::int64_t>(candidates.size());
    OwnedMatrix rows = backend_.matrix(DType::f64, count, w_.cols());
    ops::gather(backend_, w_.view(), candidates, {}, rows.view());
    OwnedMatrix q = backend_.matrix(DType::f64, count, count);
    ops::multiply(backend_, rows.view(), Transpose::no, rows.view(), Transpose::yes, q.view());
    return q;
  }

  /// Brings the picked positions, in order, to [eliminated, eliminated + picked): a symmetric permutation.
  void move_to_front(std::vector<std::int64_t> picked) {
    std::map<std::int32_t, std::int32_t> source;  // old position of the value at a touched position
    for (std::size_t i = 0; i < picked.size(); ++i) {
      const std::int64_t front = eliminated_ + static_cast<std::int64_t>(i);
      if (picked[i] == front) {
        continue;
      }
      const auto a = static_cast<std::int32_t>(front), b = static_cast<std::int32_t>(picked[i]);
      source.emplace(a, a);
      source.emplace(b, b);
      std::swap(source[a], source[b]);
      std::swap(feature_[index(a)], feature_[index(b)]);
      std::swap(diagonal_[index(a)], diagonal_[index(b)]);
      std::swap(squared_norm_[index(a)], squared_norm_[index(b)]);
      // What was at the front is now where this one came from.
      std::replace(picked.begin() + static_cast<std::ptrdiff_t>(i) + 1, picked.end(), front, picked[i]);
    }
    if (source.empty()) {
      return;
    }
    std::vector<std::int32_t> to, from;
    for (const auto& [position, old_position] : source) {
      to.push_back(position);
      from.push_back(old_position);
    }
    const auto count = static_cast<std::int64_t>(to.size());
    OwnedMatrix rows = backend_.matrix(DType::f64, count, std::max(size(), w_.cols()));
    for (const Matrix& whole : {x_.view(), w_.view()}) {
      const Matrix moved = rows.view().cols_from(0, whole.cols);
      ops::gather(backend_, whole, from, {}, moved);
      ops::scatter(backend_, moved, to, {}, whole);
    }
    OwnedMatrix columns = backend_.matrix(DType::f64, size(), count);
    ops::gather(backend_, x_.view(), {}, from, columns.view());
    ops::scatter(backend_, columns.view(), {}, to, x_.view());
  }

  /// Step 5 for the first `count` active positions.
  void eliminate_front(std::int64_t count) {
    const std::int64_t k = eliminated_;
    const std::int64_t rest = size() - k - count;
    const Matrix picked_rows = x_.view().block(k, k, count, size() - k);
    if (k > 0) {  // X_a: ← X_a: − U_:aᵀ U
      ops::multiply(backend_, x_.view().block(0, k, k, count), Transpose::yes,
                    x_.view().block(0, k, k, size() - k), Transpose::no, picked_rows, -1.0, 1.0);
    }
    OwnedMatrix factor = copy_f64(backend_, picked_rows.cols_from(0, count));
    cholesky_or_throw(backend_, factor.view(), "column elimination, pivot block",
                      "Raise the covariance's ridge");
    const Matrix w_picked = w_.view().rows_from(k, count);
    ops::triangular_solve(backend_, factor.view(), Transpose::no, picked_rows);
    ops::triangular_solve(backend_, factor.view(), Transpose::no, w_picked);
    const Matrix u_rest = picked_rows.cols_from(count, rest);
    ops::multiply(backend_, u_rest, Transpose::yes, w_picked, Transpose::no,
                  w_.view().rows_from(k + count, rest), -1.0, 1.0);
    const HostRead host_u(backend_, u_rest);
    for (std::int64_t i = 0; i < count; ++i) {
      const double* u = row_of(host_u.view(), i);
      double* diagonal = diagonal_.data() + k + count;
      for (std::int64_t j = 0; j < rest; ++j) {
        diagonal[j] -= u[j] * u[j];
      }
    }
    update_norms(k + count);
  }

  void update_norms(std::int64_t first) {
    if (first == size()) {
      return;
    }
    OwnedMatrix norms = backend_.matrix(DType::f64, 1, size() - first);
    ops::row_squared_norms(backend_, w_.view().rows_from(first, size() - first), norms.view());
    const std::vector<double> values = host_values(backend_, norms.view());
    std::copy(values.begin(), values.end(), squared_norm_.begin() + first);
  }

  Backend& backend_;
  OwnedMatrix x_;
  OwnedMatrix w_;
  std::vector<std::int32_t> feature_;  ///< of each position
  std::vector<double> diagonal_;       ///< of the Schur complement
  std::vector<double> squared_norm_;   ///< ‖w̃_j‖²
  std::int64_t eliminated_ = 0;
};

void check_arguments(ConstMatrix covariance, ConstMatrix weighted_outputs,
                     const EliminationOptions& options) {
  const std::int64_t m = covariance.rows;
  expect_f64(covariance, m, m, "column elimination, covariance");
  expect_f64(weighted_outputs, m, weighted_outputs.cols, "column elimination, weighted outputs");
  if (options.block < 1) {
    throw_range("column elimination, block", options.block, "at least 1");
  }
  if (options.minimum_width < 0 || options.minimum_width > m) {
    throw_range("column elimination, minimum width", options.minimum_width, "0 to " + std::to_string(m));
  }
}

}  // namespace

EliminationCurve eliminate_columns(Backend& backend, ConstMatrix covariance, ConstMatrix weighted_outputs,
                                   const EliminationOptions& options) {
  check_arguments(covariance, weighted_outputs, options);
  const std::int64_t m = covariance.rows;
  const std::int64_t to_remove = m - options.minimum_width;
  EliminationCurve curve{.units = m, .order = {}, .cost = {}};
  const std::vector<double> variances = diagonal_of(backend, covariance);
  const double largest = largest_of_diagonal(variances);
  std::vector<std::int32_t> living;
  for (std::int32_t j = 0; j < m; ++j) {  // 1.
    if (!is_dead(variances[static_cast<std::size_t>(j)], largest)) {
      living.push_back(j);
    } else if (static_cast<std::int64_t>(curve.order.size()) < to_remove) {
      curve.order.push_back(j);
      curve.cost.push_back(0.0);
    }
  }
  const auto removed = [&curve] { return static_cast<std::int64_t>(curve.order.size()); };
  if (living.empty() || removed() == to_remove) {
    return curve;
  }
  OwnedMatrix inverse = regularized_covariance(
      backend, select_block(backend, covariance, living, living).view(), options.ridge_lambda);
  cholesky_or_throw(backend, inverse.view(), "column elimination, covariance",
                    "raise the covariance's ridge or the number of calibration tokens");
  ops::cholesky_inverse(backend, inverse.view());  // 2.
  Elimination elimination(backend, std::move(inverse), select_rows(backend, weighted_outputs, living),
                          living);
  while (removed() < to_remove) {
    elimination.step(std::min(options.block, to_remove - removed()), options.nats_per_unit, curve);
  }
  return curve;
}

}  // namespace cce
