#include "worker/stages/encode/output_refit.h"

#include <span>
#include <string>
#include <utility>

#include "worker/comm/device/device_exchange.h"
#include "worker/passes/allocate.h"
#include "worker/passes/row_norms.h"
#include "worker/stages/analyze/loss_metric.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

/// W_0 in × out, with the bias as the last row where there is one.
OwnedMatrix prior_of(Backend& backend, const HostLayer& layer, SubBlock kind) {
  const OnBackend output(backend, part_view(layer, output_part(kind)).view());
  OwnedMatrix weights = transposed_f64(backend, output.view());
  if (!has_output_bias(layer.shape, kind)) {
    return weights;
  }
  OwnedMatrix result = backend.zeros(DType::f64, weights.rows() + 1, weights.cols());
  ops::add(backend, weights.view(), result.view().rows_from(0, weights.rows()));
  const OnBackend bias(backend, part_view(layer, output_bias_part(kind)).view());
  ops::add(backend, bias.view(), result.view().rows_from(weights.rows(), 1));
  return result;
}

void store(Backend& backend, ConstMatrix solution, SubBlock kind, HostLayer& layer) {
  HostMatrix& output = part_view(layer, output_part(kind));
  store_transposed(backend, solution.rows_from(0, output.cols), output);
  if (has_output_bias(layer.shape, kind)) {
    OwnedMatrix bias = backend.matrix(DType::f32, 1, output.rows);
    ops::convert(backend, solution.rows_from(output.cols, 1), bias.view());
    backend.download(bias.view(), part_view(layer, output_bias_part(kind)).view());
  }
}

}  // namespace

OutputRefit::OutputRefit(StageContext& context, const StreamPair& streams, const cost::EncodeSizes& sizes,
                         std::int64_t width)
    : context_(context),
      backend_(context.backend),
      anything_held_out_(streams.anything_held_out()),
      fitting_(context.backend, context.compute_dtype, width, context.dense().hidden_size,
               streams.largest_micro_batch_tokens()),
      held_out_(context.backend, context.compute_dtype, width, context.dense().hidden_size,
                streams.largest_micro_batch_tokens()),
      weights_root_(allocate(context.backend, context.compute_dtype, sizes.weights_root)),
      error_(allocate(context.backend, context.compute_dtype, sizes.error)),
      narrow_error_(allocate(context.backend, context.compute_dtype, sizes.narrow_error)),
      error_gram_(allocate(context.backend, context.compute_dtype, sizes.error_gram)) {}

void OutputRefit::start(std::int64_t features) {
  fitting_.start(features);
  held_out_.start(features);
}

void OutputRefit::add(const MicroBatch& micro_batch, ConstMatrix features, ConstMatrix targets,
                      ConstMatrix dense_after, NormedOutput& normed) {
  const Matrix root = weights_root_.view().cols_from(0, features.rows);
  row_norms_to_power(backend_, dense_after, context_.spec.encode.token_weights ? -1.0 : 0.0, root);
  if (normed.is_there()) {
    normed.divide_by_length(micro_batch.first_token, root);
  }
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
  store(backend_, solution.weights.view(), kind, *layer);
}

void OutputRefit::start_measuring() {
  backend_.fill_zero(error_gram_.view());
  weight_sum_ = 0.0;
}

void OutputRefit::measure(const MicroBatch& micro_batch, ConstMatrix dense, ConstMatrix compressed,
                          NormedOutput& normed) {
  const std::int64_t tokens = micro_batch.batch.tokens();
  const Matrix error = error_.view().rows_from(0, tokens);
  const Matrix narrow = narrow_error_.view().rows_from(0, tokens);
  const Matrix root = weights_root_.view().cols_from(0, tokens);
  row_norms_to_power(backend_, dense, -1.0, root);
  ops::convert(backend_, dense, error);
  ops::add(backend_, compressed, error, -1.0);
  if (normed.is_there()) {
    normed.carry(micro_batch.first_token, error);
  }
  ops::scale_rows(backend_, error, root, narrow);
  ops::gram(backend_, narrow, error_gram_.view());
  for (const float value : to_host(backend_, root)) {
    weight_sum_ += static_cast<double>(value) * static_cast<double>(value);
  }
}

double OutputRefit::finish_measuring(int owner, const HostMatrix* gradient) {
  reduce_sum(context_.communicator, backend_, error_gram_.view(), owner);
  context_.communicator.reduce_sum(std::span<double>(&weight_sum_, 1), owner);
  if (gradient == nullptr || gradient->empty()) {
    return 0.0;
  }
  const HostRead error(backend_, std::as_const(error_gram_).view());
  const auto* values = error.view().as<float>();
  double sum = 0.0;
  for (std::size_t i = 0; i < gradient->values.size(); ++i) {
    sum += static_cast<double>(values[i]) * static_cast<double>(gradient->values[i]);
  }
  return 0.5 * sum / weight_sum_;
}

}  // namespace cce
