#include "worker/stages/encode/refine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>
#include <string>

#include "worker/comm/device/device_exchange.h"
#include "worker/numeric/counter_random.h"
#include "worker/passes/allocate.h"
#include "worker/passes/row_norms.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr double beta1 = 0.9;
constexpr double beta2 = 0.99;

double sum_of(Backend& backend, ConstMatrix row) {
  double sum = 0.0;
  for (const float value : to_host(backend, row)) {
    sum += static_cast<double>(value);
  }
  return sum;
}

double learning_rate(const EncodeSettings& settings, std::int64_t step) {
  const double share = static_cast<double>(step) / static_cast<double>(settings.refine_steps);
  return settings.refine_learning_rate * 0.5 * (1.0 + std::cos(std::numbers::pi * share));
}

}  // namespace

std::vector<std::int64_t> refine_batch(std::span<const std::int64_t> fitting, std::int64_t batch,
                                       std::int64_t step, std::uint64_t seed) {
  const CounterRandom random(seed, RandomStream::refine_start);
  const auto count = static_cast<std::int64_t>(fitting.size());
  std::vector<std::int64_t> result;
  for (std::int64_t run = 0; run < batch; ++run) {
    const std::int64_t first = run * count / batch;
    const std::int64_t length = (run + 1) * count / batch - first;
    const double draw = random.uniform(static_cast<std::uint64_t>(run));
    const auto start = static_cast<std::int64_t>(draw * static_cast<double>(length));
    result.push_back(fitting[static_cast<std::size_t>(first + (start + step) % length)]);
  }
  return result;
}

Refiner::Refiner(StageContext& context, StreamPair& streams, BlockRunner& runner, std::int64_t width)
    : context_(context),
      streams_(streams),
      runner_(runner),
      backend_(context.backend),
      fitting_(streams.fitting_sequences()),
      slopes_(context.backend),
      master_(context.backend) {
  const std::int64_t length = context.spec.calibration.length;
  batch_ = std::clamp<std::int64_t>(context.spec.encode.refine_batch_tokens / length, 1,
                                    static_cast<std::int64_t>(fitting_.size()));
  if (asked_for()) {
    const cost::RefineSizes sizes = cost::refine_sizes(std::max(streams.largest_micro_batch_tokens(), length),
                                                       width, context.dense().hidden_size);
    after_ = allocate(backend_, context.compute_dtype, sizes.after);
    gradient_ = allocate(backend_, context.compute_dtype, sizes.gradient);
    losses_ = allocate(backend_, context.compute_dtype, sizes.losses);
    features_ = allocate(backend_, context.compute_dtype, sizes.features);
  }
}

bool Refiner::refine(std::int64_t layer, SubBlock kind, const LayerShape& shape, std::span<std::byte> packed,
                     HostLayer* mine) {
  const std::int64_t hidden = context_.dense().hidden_size;
  const LayerWeights weights = view_packed_layer(shape, hidden, context_.compute_dtype, packed);
  const double before = held_out_error(weights, kind);  // 1.
  run_steps(layer, kind, weights, packed, mine);        // 2.
  const double after = held_out_error(weights, kind);   // 3.
  if (!std::isfinite(after)) {
    throw Error{
        .code = ErrorCode::not_converged,
        .where = "layer " + std::to_string(layer) + ", refinement of " + std::string(sub_block_name(kind)),
        .found = "an error that is not finite",
        .expected = "at most " + std::to_string(before),
        .remedy = "Lower encode.refine_learning_rate"};
  }
  const bool better = after < before;
  if (mine != nullptr) {
    if (better) {
      *mine = to_host_layer(backend_, master_.weights());
    } else {
      pack_host_layer(backend_, *mine, hidden, context_.compute_dtype, packed);
    }
  }
  if (!better) {
    broadcast(context_.communicator, backend_, packed,
              context_.partition.owner[static_cast<std::size_t>(layer)]);
  }
  ++totals_.sub_blocks;
  totals_.improved += better ? 1 : 0;
  totals_.error_before += before;
  totals_.error_after += std::min(before, after);
  return better;
}

void Refiner::run_steps(std::int64_t layer, SubBlock kind, const LayerWeights& weights,
                        std::span<std::byte> packed, HostLayer* mine) {
  const std::int64_t hidden = context_.dense().hidden_size;
  const int owner = context_.partition.owner[static_cast<std::size_t>(layer)];
  LayerMoments moments(backend_);
  if (mine != nullptr) {
    master_.assign(*mine, hidden);
    moments = LayerMoments(backend_, weights.shape, hidden);
  }
  for (std::int64_t step = 0; step < context_.spec.encode.refine_steps; ++step) {
    slopes_.reset(weights.shape, hidden);
    step_gradient(weights, kind, step);
    reduce_sum(context_.communicator, backend_, slopes_.row(), owner);
    if (mine != nullptr) {
      // The other sub-block's gradient is 0, and so is its step: nothing decays.
      step_layer(backend_,
                 {.step = step + 1,
                  .learning_rate = learning_rate(context_.spec.encode, step),
                  .beta1 = beta1,
                  .beta2 = beta2},
                 slopes_, master_, moments, context_.compute_dtype, packed);
    }
    broadcast(context_.communicator, backend_, packed, owner);
  }
}

void Refiner::step_gradient(const LayerWeights& weights, SubBlock kind, std::int64_t step) {
  const std::int64_t length = context_.spec.calibration.length;
  const double scale = 1.0 / static_cast<double>(batch_ * length);
  for (const std::int64_t sequence :
       refine_batch(fitting_, batch_, step, static_cast<std::uint64_t>(context_.spec.seed))) {
    const std::optional<std::int64_t> row = streams_.row_of(sequence);
    if (!row) {
      continue;
    }
    const TokenBatch batch{1, length};
    compare(weights, kind, *row, batch, scale);
    const Matrix gradient = gradient_.view().rows_from(0, length);
    const ConstMatrix before = streams_.compressed_rows(*row, length);
    if (kind == SubBlock::attention) {
      runner_.attention_gradients(weights, batch, before, gradient, slopes_.parts());
    } else {
      runner_.ffn_gradients(weights, before, gradient, slopes_.parts());
    }
  }
}

double Refiner::held_out_error(const LayerWeights& weights, SubBlock kind) {
  std::array<double, 2> sums{0.0, 0.0};
  for (const MicroBatch& micro_batch : streams_.micro_batches()) {
    if (micro_batch.held_out || !streams_.anything_held_out()) {
      sums[0] += compare(weights, kind, micro_batch.first_token, micro_batch.batch, 0.0);
      sums[1] += static_cast<double>(micro_batch.batch.tokens());
    }
  }
  context_.communicator.all_reduce_sum(std::span<double>(sums));
  return sums[0] / sums[1];
}

double Refiner::compare(const LayerWeights& weights, SubBlock kind, std::int64_t first_row, TokenBatch batch,
                        double scale) {
  const std::int64_t tokens = batch.tokens();
  const std::int64_t width = feature_width(weights.shape, kind);
  const Matrix features{features_.as<std::byte>(), context_.compute_dtype, tokens, width, width};
  const ConstMatrix before = streams_.compressed_rows(first_row, tokens);
  const ConstMatrix dense = streams_.dense_rows(first_row, tokens);
  const Matrix after = after_.view().rows_from(0, tokens);
  const Matrix gradient = gradient_.view().rows_from(0, tokens);
  const Matrix losses = losses_.view().cols_from(0, tokens);
  compute_features(runner_, kind, weights, batch, before, features);
  ops::convert(backend_, before, after);
  runner_.project(weights, kind, features, after);
  if (context_.spec.encode.token_weights) {
    ops::relative_error(backend_, after, dense, scale, losses, gradient);
  } else {
    ops::add(backend_, dense, after, -1.0);
    ops::row_squared_norms(backend_, after, losses);
    backend_.fill_zero(gradient);
    ops::add(backend_, after, gradient, 2.0 * scale);
  }
  return sum_of(backend_, losses);
}

}  // namespace cce
