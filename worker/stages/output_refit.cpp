#include "worker/stages/output_refit.h"

#include <span>
#include <string>
#include <utility>

#include "worker/stages/loss_metric.h"
#include "worker/stages/row_norms.h"

namespace cce {
namespace {

/// W_0 in × out, with the bias as the last row where there is one.
OwnedMatrix prior_of(Backend& backend, const HostLayer& layer, SubBlock kind) {
  OwnedMatrix weights = transposed_f64(backend, part_view(layer, output_part(kind)).view());
  if (!has_output_bias(layer.shape, kind)) {
    return weights;
  }
  OwnedMatrix result = backend.zeros(DType::f64, weights.rows() + 1, weights.cols());
  backend.add(weights.view(), result.view().rows_from(0, weights.rows()));
  backend.add(part_view(layer, output_bias_part(kind)).view(), result.view().rows_from(weights.rows(), 1));
  return result;
}

void store(ConstMatrix solution, SubBlock kind, HostLayer& layer) {
  HostMatrix& output = part_view(layer, output_part(kind));
  for (std::int64_t in = 0; in < output.cols; ++in) {
    for (std::int64_t out = 0; out < output.rows; ++out) {
      output.row(out)[in] = static_cast<float>(solution.as<double>()[in * solution.stride + out]);
    }
  }
  if (has_output_bias(layer.shape, kind)) {
    HostMatrix& bias = part_view(layer, output_bias_part(kind));
    for (std::int64_t out = 0; out < output.rows; ++out) {
      bias.values[static_cast<std::size_t>(out)] =
          static_cast<float>(solution.as<double>()[output.cols * solution.stride + out]);
    }
  }
}

}  // namespace

OutputRefit::OutputRefit(StageContext& context, const StreamPair& streams, std::int64_t widest_features)
    : context_(context),
      backend_(context.backend),
      anything_held_out_(streams.anything_held_out()),
      fitting_(context.backend, context.compute_dtype, widest_features, context.dense().hidden_size,
               streams.largest_micro_batch_tokens()),
      held_out_(context.backend, context.compute_dtype, widest_features, context.dense().hidden_size,
                streams.largest_micro_batch_tokens()) {
  const std::int64_t tokens = streams.largest_micro_batch_tokens();
  const std::int64_t hidden = context.dense().hidden_size;
  weights_root_ = backend_.matrix(DType::f32, 1, tokens);
  error_ = backend_.matrix(DType::f32, tokens, hidden);
  narrow_error_ = backend_.matrix(context.compute_dtype, tokens, hidden);
  error_gram_ = backend_.matrix(DType::f32, hidden, hidden);
}

void OutputRefit::start(std::int64_t features) {
  fitting_.start(features);
  held_out_.start(features);
}

void OutputRefit::add(const MicroBatch& micro_batch, ConstMatrix features, ConstMatrix targets,
                      ConstMatrix dense_after) {
  const Matrix root = weights_root_.view().cols_from(0, features.rows);
  row_norms_to_power(backend_, dense_after, context_.spec.encode.token_weights ? -1.0 : 0.0, root);
  (micro_batch.held_out ? held_out_ : fitting_).add(features, targets, root);
}

std::vector<double> OutputRefit::candidates() const {
  if (context_.spec.encode.ridge_lambda) {
    return {*context_.spec.encode.ridge_lambda};
  }
  if (!anything_held_out_) {
    return {1e-1};
  }
  return {1e-2, 1e-1, 3e-1, 1.0};
}

void OutputRefit::solve(std::int64_t layer_index, int owner, SubBlock kind, HostLayer* layer) {
  fitting_.reduce(context_.communicator, owner);
  held_out_.reduce(context_.communicator, owner);
  if (layer == nullptr) {
    return;
  }
  const bool with_bias = has_output_bias(layer->shape, kind);
  const RefitSums::Assembled fitting = fitting_.assemble(with_bias);
  const RefitSums::Assembled held_out = held_out_.assemble(with_bias);
  const OwnedMatrix prior = prior_of(backend_, *layer, kind);
  const RidgeSolution solution =
      refit_outputs(backend_, fitting.view(), held_out.view(), prior.view(), candidates());
  if (solution.times_raised > 0) {
    context_.reporter.warning("layer " + std::to_string(layer_index) + ", " +
                              std::string(sub_block_name(kind)) +
                              ": the refit's Gram is nearly singular; ridge lambda raised to " +
                              std::to_string(solution.ridge_lambda));
  }
  store(solution.weights.view(), kind, *layer);
}

void OutputRefit::start_measuring() {
  backend_.fill_zero(error_gram_.view());
  weight_sum_ = 0.0;
}

void OutputRefit::measure(const MicroBatch& micro_batch, ConstMatrix dense, ConstMatrix compressed) {
  const std::int64_t tokens = micro_batch.batch.tokens();
  const Matrix error = error_.view().rows_from(0, tokens);
  const Matrix narrow = narrow_error_.view().rows_from(0, tokens);
  const Matrix root = weights_root_.view().cols_from(0, tokens);
  row_norms_to_power(backend_, dense, -1.0, root);
  backend_.convert(dense, error);
  backend_.add(compressed, error, -1.0);
  backend_.scale_rows(error, root, narrow);
  backend_.gram(narrow, error_gram_.view());
  for (const float value : to_host(backend_, root)) {
    weight_sum_ += static_cast<double>(value) * static_cast<double>(value);
  }
}

double OutputRefit::finish_measuring(int owner, const HostMatrix* gradient) {
  const std::int64_t size = error_gram_.rows() * error_gram_.cols();
  context_.communicator.reduce_sum(std::span<float>(error_gram_.as<float>(), static_cast<std::size_t>(size)),
                                   owner);
  context_.communicator.reduce_sum(std::span<double>(&weight_sum_, 1), owner);
  if (gradient == nullptr || gradient->empty()) {
    return 0.0;
  }
  double sum = 0.0;
  for (std::int64_t i = 0; i < size; ++i) {
    sum += static_cast<double>(error_gram_.as<float>()[i]) *
           static_cast<double>(gradient->values[static_cast<std::size_t>(i)]);
  }
  return 0.5 * sum / weight_sum_;
}

}  // namespace cce
