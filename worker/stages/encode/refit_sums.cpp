#include "worker/stages/encode/refit_sums.h"

#include <algorithm>
#include <span>
#include <vector>

#include "worker/comm/device/device_exchange.h"
#include "worker/passes/allocate.h"
#include "worker/passes/row_norms.h"
#include "worker/tensor/ops.h"

namespace cce {
RefitSums::RefitSums(Backend& backend, DType compute_dtype, std::int64_t widest_features,
                     std::int64_t hidden_size, std::int64_t max_tokens)
    : backend_(backend), compute_dtype_(compute_dtype), hidden_(hidden_size) {
  const cost::RefitSumSizes sizes = cost::refit_sum_sizes(widest_features, hidden_size, max_tokens);
  totals_ = allocate(backend, compute_dtype, sizes.totals);
  scaled_features_ = allocate(backend, compute_dtype, sizes.scaled_features);
  scaled_targets_ = allocate(backend, compute_dtype, sizes.scaled_targets);
  batch_gram_ = allocate(backend, compute_dtype, sizes.batch_gram);
  batch_cross_ = allocate(backend, compute_dtype, sizes.batch_cross);
  batch_sums_ = allocate(backend, compute_dtype, sizes.batch_sums);
  squared_norms_ = allocate(backend, compute_dtype, sizes.squared_norms);
}

Matrix RefitSums::part(std::int64_t offset, std::int64_t rows, std::int64_t cols) const {
  // A const object's views are not const: the totals are this class's scratch.
  auto* data = const_cast<double*>(totals_.as<double>()) + offset;
  return {data, DType::f64, rows, cols, cols};
}

void RefitSums::start(std::int64_t features) {
  features_ = features;
  std::int64_t offset = 0;
  const auto take = [&](std::int64_t rows, std::int64_t cols) {
    const Matrix view = part(offset, rows, cols);
    offset += rows * cols;
    return view;
  };
  gram_ = take(features, features);
  cross_ = take(features, hidden_);
  feature_sum_ = take(1, features);
  target_sum_ = take(1, hidden_);
  scalars_ = take(1, 2);
  backend_.fill_zero(part(0, 1, offset));
  host_scalars_ = {0.0, 0.0};
}

void RefitSums::add(ConstMatrix features, ConstMatrix targets, ConstMatrix weights_root) {
  const std::int64_t tokens = features.rows;
  const std::int64_t n = features_;
  const Matrix scaled_features{scaled_features_.view().data, compute_dtype_, tokens, n, n};
  const Matrix scaled_targets = scaled_targets_.view().rows_from(0, tokens);
  ops::scale_rows(backend_, features, weights_root, scaled_features);
  ops::scale_rows(backend_, targets, weights_root, scaled_targets);

  const Matrix gram{batch_gram_.view().data, DType::f32, n, n, n};
  backend_.fill_zero(gram);
  ops::gram(backend_, scaled_features, gram);
  ops::add(backend_, gram, gram_);
  const Matrix cross{batch_cross_.view().data, DType::f32, n, hidden_, hidden_};
  ops::multiply(backend_, scaled_features, Transpose::yes, scaled_targets, Transpose::no, cross);
  ops::add(backend_, cross, cross_);

  // What a constant 1 as a further feature adds: Σ ω f and Σ ω y are sums of √ω times the scaled rows.
  backend_.fill_zero(batch_sums_.view());
  const Matrix feature_sum = batch_sums_.view().cols_from(0, n);
  const Matrix target_sum = batch_sums_.view().cols_from(n, hidden_);
  ops::column_sums(backend_, scaled_features, weights_root, feature_sum);
  ops::column_sums(backend_, scaled_targets, weights_root, target_sum);
  ops::add(backend_, feature_sum, feature_sum_);
  ops::add(backend_, target_sum, target_sum_);
  const Matrix norms = squared_norms_.view().cols_from(0, tokens);
  ops::row_squared_norms(backend_, scaled_targets, norms);
  for (const float norm : to_host(backend_, norms)) {
    host_scalars_[1] += static_cast<double>(norm);
  }
  for (const float root : to_host(backend_, weights_root)) {
    host_scalars_[0] += static_cast<double>(root) * static_cast<double>(root);
  }
}

void RefitSums::reduce(Communicator& communicator, int owner) {
  const std::int64_t count = features_ * features_ + features_ * hidden_ + features_ + hidden_ + 2;
  const Matrix host{host_scalars_.data(), DType::f64, 1, 2, 2};
  backend_.upload(host, scalars_);
  reduce_sum(communicator, backend_, part(0, 1, count), owner);
  backend_.download(scalars_, host);
}

RefitSums::Assembled RefitSums::assemble(bool with_bias) const {
  const std::int64_t n = features_;
  const std::int64_t size = with_bias ? n + 1 : n;
  Assembled result;
  result.gram = backend_.zeros(DType::f64, size, size);
  result.cross = backend_.zeros(DType::f64, size, hidden_);
  ops::add(backend_, gram_, result.gram.view().block(0, 0, n, n));
  ops::add(backend_, cross_, result.cross.view().rows_from(0, n));
  result.target_energy = host_scalars_[1];
  if (with_bias) {
    ops::add(backend_, feature_sum_, result.gram.view().block(n, 0, 1, n));
    const ConstMatrix column{feature_sum_.data, DType::f64, n, 1, 1};
    ops::convert(backend_, column, result.gram.view().block(0, n, n, 1));
    ops::convert(backend_, scalars_.cols_from(0, 1), result.gram.view().block(n, n, 1, 1));
    ops::add(backend_, target_sum_, result.cross.view().rows_from(n, 1));
  }
  return result;
}

}  // namespace cce
