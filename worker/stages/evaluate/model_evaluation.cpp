#include "worker/stages/evaluate/model_evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

#include "worker/passes/allocate.h"
#include "worker/passes/output_loss.h"
#include "worker/passes/sweep.h"
#include "worker/passes/token_share.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

/// One pass of this rank's windows, a chunk at a time, through all layers.
class ForwardPass {
 public:
  ForwardPass(StageContext& context, const EvaluatedModel& model,
              const std::vector<std::vector<std::int32_t>>& windows)
      : context_(context),
        model_(model),
        windows_(windows),
        sweep_(context, model.config, model.layers, model.delivery.value_or(context.delivery)),
        length_(static_cast<std::int64_t>(windows.front().size())),
        share_(share_windows(static_cast<std::int64_t>(windows.size()),
                             std::max<std::int64_t>(context.partition.chunk_sequences,
                                                    context.partition.micro_batch_sequences),
                             context.communicator)) {}

  /// finish(ids, batch, stream) is called for every chunk of this rank with its last residual stream;
  /// variance: sums of attention variances per layer and head go there.
  template <typename Finish>
  void run(const Finish& finish, std::vector<OwnedMatrix>* variance) {
    for (std::int64_t chunk = 0; chunk < share_.chunks; ++chunk) {
      const SequenceRange range = share_.of_chunk(chunk);
      const TokenBatch batch{range.count, length_};
      OwnedMatrix stream = allocate(context_.backend, context_.compute_dtype,
                                    cost::stream_size(batch.tokens(), model_.config.hidden_size));
      const std::vector<std::int32_t> ids = tokens_of(windows_, range);
      if (!ids.empty()) {
        ops::embed(context_.backend, ids, model_.ends.embedding.view(),
                   embedding_scale(model_.config, context_.compute_dtype), stream.view());
      }
      sweep_.forward([&](const Sweep::Visit& visit) {
        const bool measures = variance != nullptr && visit.weights.shape.has_attention;
        const Matrix sums = measures ? (*variance)[static_cast<std::size_t>(visit.layer)].view() : Matrix();
        sweep_.for_each_micro_batch(batch, [&](std::int64_t first, TokenBatch part) {
          sweep_.pass(visit.weights, part, stream.view().rows_from(first, part.tokens()), sums);
        });
        context_.communicator.barrier();
      });
      finish(ids, batch, stream.view());
    }
  }

  std::int64_t length() const { return length_; }
  BlockRunner& runner() { return sweep_.runner(); }

 private:
  StageContext& context_;
  const EvaluatedModel& model_;
  const std::vector<std::vector<std::int32_t>>& windows_;
  Sweep sweep_;
  std::int64_t length_;
  TokenShare share_;
};

}  // namespace

double TextLosses::perplexity() const {
  return std::exp(mean);
}

TextLosses evaluate_losses(StageContext& context, const EvaluatedModel& model,
                           const std::vector<std::vector<std::int32_t>>& windows) {
  ForwardPass pass(context, model, windows);
  const std::int64_t length = pass.length();
  OutputLoss output(context, pass.runner(), model.ends, length);
  std::vector<double> position_sums(static_cast<std::size_t>(length), 0.0);
  const auto finish = [&](const std::vector<std::int32_t>& ids, TokenBatch batch, ConstMatrix stream) {
    for (std::int64_t sequence = 0; sequence < batch.sequences; ++sequence) {
      const std::span<const std::int32_t> window(ids.data() + sequence * length,
                                                 static_cast<std::size_t>(length));
      std::size_t position = 0;
      for (const float loss : output.losses(stream.rows_from(sequence * length, length), window)) {
        position_sums[++position] += static_cast<double>(loss);
      }
    }
  };
  pass.run(finish, nullptr);
  context.communicator.all_reduce_sum(std::span<double>(position_sums));

  const auto windows_count = static_cast<double>(windows.size());
  const auto mean_over = [&](std::int64_t first, std::int64_t last) {
    double sum = 0.0;
    for (std::int64_t position = first; position < last; ++position) {
      sum += position_sums[static_cast<std::size_t>(position)];
    }
    return last > first ? sum / (windows_count * static_cast<double>(last - first)) : 0.0;
  };
  TextLosses result;
  result.mean = mean_over(1, length);
  result.second_quarter = mean_over(std::max<std::int64_t>(length / 4, 1), length / 2);
  result.last_quarter = mean_over(3 * length / 4, length);
  result.tokens = static_cast<std::int64_t>(windows.size()) * (length - 1);
  return result;
}

std::vector<std::vector<double>> evaluate_attention_variance(
    StageContext& context, const EvaluatedModel& model,
    const std::vector<std::vector<std::int32_t>>& windows) {
  ForwardPass pass(context, model, windows);
  std::vector<OwnedMatrix> sums;
  for (const LayerShape& shape : model.config.layers) {
    sums.push_back(context.backend.zeros(DType::f64, 1, std::max<std::int64_t>(shape.query_heads(), 1)));
  }
  pass.run([](const std::vector<std::int32_t>&, TokenBatch, ConstMatrix) {}, &sums);
  const double queries = static_cast<double>(windows.size()) *
                         static_cast<double>(std::max<std::int64_t>(pass.length() - first_variance_query, 1));
  std::vector<std::vector<double>> result;
  for (std::size_t layer = 0; layer < sums.size(); ++layer) {
    const LayerShape& shape = model.config.layers[layer];
    std::vector<double> heads = host_values(context.backend, std::as_const(sums[layer]).view());
    context.communicator.all_reduce_sum(std::span<double>(heads));
    for (double& head : heads) {
      head /= queries;
    }
    heads.resize(shape.has_attention ? static_cast<std::size_t>(shape.query_heads()) : 0);
    result.push_back(std::move(heads));
  }
  return result;
}

}  // namespace cce
