#include "worker/stages/calibrate/layer_statistics.h"

#include <span>

#include "common/cost/sizes.h"
#include "worker/comm/device/device_exchange.h"
#include "worker/passes/allocate.h"
#include "worker/passes/row_norms.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

SubBlockStatistics make_sub_block(Backend& backend, std::int64_t features, std::int64_t hidden) {
  const cost::SubBlockSumSizes sizes = cost::sub_block_sum_sizes(features, hidden);
  const auto zeros = [&backend](const cost::MatrixSize& size) {
    return backend.zeros(backend.kept_sum_dtype(), size.rows, size.cols);
  };
  return {.weighted_covariance = zeros(sizes.weighted_covariance),
          .covariance = zeros(sizes.covariance),
          .feature_sum = zeros(sizes.feature_sum),
          .gradient_covariance = zeros(sizes.gradient_covariance)};
}

}  // namespace

LayerStatistics make_layer_statistics(Backend& backend, const LayerShape& shape, std::int64_t hidden_size) {
  LayerStatistics result;
  if (shape.has_attention) {
    result.attention = make_sub_block(backend, cost::head_output_width(shape), hidden_size);
    result.pair_covariance =
        backend.zeros(backend.kept_sum_dtype(), cost::rotary_pairs(shape), cost::rotary_pairs(shape));
  }
  if (shape.has_ffn) {
    result.ffn = make_sub_block(backend, cost::ffn_width(shape), hidden_size);
  }
  return result;
}

StatisticsBuffer::StatisticsBuffer(StageContext& context, const cost::CalibrateSizes& sizes)
    : backend_(context.backend),
      compute_dtype_(context.compute_dtype),
      hidden_(context.dense().hidden_size),
      storage_(allocate(context.backend, context.compute_dtype, sizes.sums)),
      scaled_features_(allocate(context.backend, context.compute_dtype, sizes.scaled_features)),
      narrow_gradient_(allocate(context.backend, context.compute_dtype, sizes.narrow_gradient)),
      row_norms_(allocate(context.backend, context.compute_dtype, sizes.row_norms)) {}

StatisticsBuffer::Part StatisticsBuffer::carve(std::int64_t features, float*& next) {
  const auto take = [&next](std::int64_t rows, std::int64_t cols) {
    const Matrix view{next, DType::f32, rows, cols, cols};
    next += rows * cols;
    return view;
  };
  Part part;
  if (features > 0) {
    part.weighted_covariance = take(features, features);
    part.covariance = take(features, features);
    part.feature_sum = take(1, features);
    part.gradient_covariance = take(hidden_, hidden_);
  }
  return part;
}

void StatisticsBuffer::start_layer(const LayerShape& shape) {
  used_floats_ = cost::layer_sum_numbers(shape, hidden_);
  float* next = storage_.as<float>();
  attention_ = carve(cost::head_output_width(shape), next);
  ffn_ = carve(cost::ffn_width(shape), next);
  const std::int64_t pairs = cost::rotary_pairs(shape);
  pair_covariance_ = {next, DType::f32, pairs, pairs, pairs};
  backend_.fill_zero(storage_.view().cols_from(0, used_floats_));
}

void StatisticsBuffer::add_attention(ConstMatrix features, ConstMatrix gradient, ConstMatrix pair_products) {
  add_sub_block(attention_, features, gradient);
  ops::gram(backend_, pair_products, pair_covariance_);
}

void StatisticsBuffer::add_ffn(ConstMatrix features, ConstMatrix gradient) {
  add_sub_block(ffn_, features, gradient);
}

void StatisticsBuffer::add_sub_block(Part& part, ConstMatrix features, ConstMatrix gradient) {
  const std::int64_t tokens = features.rows;
  const Matrix norms = row_norms_.view().cols_from(0, tokens);
  row_norms_to_power(backend_, gradient, 1.0, norms);
  const Matrix scaled{scaled_features_.view().data, compute_dtype_, tokens, features.cols, features.cols};
  ops::scale_rows(backend_, features, norms, scaled);
  ops::gram(backend_, scaled, part.weighted_covariance);
  ops::gram(backend_, features, part.covariance);
  ops::column_sums(backend_, features, {}, part.feature_sum);
  const Matrix narrow = narrow_gradient_.view().rows_from(0, tokens);
  ops::convert(backend_, gradient, narrow);
  ops::gram(backend_, narrow, part.gradient_covariance);
}

void StatisticsBuffer::reduce_into(StageContext& context, std::int64_t layer,
                                   std::optional<LayerStatistics>& total) {
  const int owner = context.partition.owner[static_cast<std::size_t>(layer)];
  reduce_sum(context.communicator, backend_, storage_.view().cols_from(0, used_floats_), owner);
  if (context.rank() != owner) {
    return;
  }
  const LayerShape& shape = context.dense().layers[static_cast<std::size_t>(layer)];
  if (!total) {
    total = make_layer_statistics(backend_, shape, hidden_);
  }
  if (shape.has_attention) {
    add_part(attention_, total->attention);
    ops::add(backend_, pair_covariance_, total->pair_covariance.view());
  }
  if (shape.has_ffn) {
    add_part(ffn_, total->ffn);
  }
}

void StatisticsBuffer::add_part(const Part& part, SubBlockStatistics& total) {
  ops::add(backend_, part.weighted_covariance, total.weighted_covariance.view());
  ops::add(backend_, part.covariance, total.covariance.view());
  ops::add(backend_, part.feature_sum, total.feature_sum.view());
  ops::add(backend_, part.gradient_covariance, total.gradient_covariance.view());
}

}  // namespace cce
