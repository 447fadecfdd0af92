#include "worker/stages/encode/output_scale.h"

#include <algorithm>
#include <span>
#include <vector>

#include "worker/model/block.h"
#include "worker/model/model_runner.h"
#include "worker/passes/row_norms.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr std::size_t steps = 8;
constexpr double first_scale = 0.75;
constexpr double step_size = 0.05;

double scale_at(double step) {
  return first_scale + step_size * step;
}

/// Minimum of the parabola through the losses at best − 1, best and best + 1; the grid's own end where best
/// is one.
double refined(const std::vector<double>& losses, std::size_t best) {
  const auto place = static_cast<double>(best);
  if (best == 0 || best + 1 == losses.size()) {
    return scale_at(place);
  }
  const double curvature = losses[best - 1] - 2.0 * losses[best] + losses[best + 1];
  const double slope = 0.5 * (losses[best + 1] - losses[best - 1]);
  return scale_at(curvature > 0.0 ? place - slope / curvature : place);
}

}  // namespace

double choose_output_scale(StageContext& context, StreamPair& streams) {
  if (!streams.anything_held_out()) {
    return 1.0;
  }
  Backend& backend = context.backend;
  BlockRunner runner(backend, context.dense());
  const EndWeights ends = context.checkpoint.end_weights(backend, context.compute_dtype);
  OwnedMatrix gain = backend.matrix(DType::f32, 1, context.dense().hidden_size);
  OwnedMatrix losses = backend.matrix(DType::f32, 1, streams.largest_micro_batch_tokens());
  std::vector<double> sums(steps, 0.0);
  for (std::size_t step = 0; step < steps; ++step) {
    backend.fill_zero(gain.view());
    ops::add(backend, ends.final_norm.view(), gain.view(), scale_at(static_cast<double>(step)));
    for (const MicroBatch& micro_batch : streams.micro_batches()) {
      if (!micro_batch.held_out) {
        continue;
      }
      const std::int64_t tokens = micro_batch.batch.tokens();
      const std::vector<std::int32_t> labels = next_token_labels(streams.ids(micro_batch), micro_batch.batch);
      const ConstMatrix hidden =
          runner.normalised(gain.view(), streams.compressed(micro_batch), context.compute_dtype);
      const Matrix row = losses.view().cols_from(0, tokens);
      ops::output_losses(backend, hidden, ends.head(), labels, row);
      for (const float loss : to_host(backend, row)) {
        sums[step] += static_cast<double>(loss);
      }
    }
  }
  context.communicator.all_reduce_sum(std::span<double>(sums));
  return refined(sums, static_cast<std::size_t>(std::min_element(sums.begin(), sums.end()) - sums.begin()));
}

}  // namespace cce
