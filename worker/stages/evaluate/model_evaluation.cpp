#include "worker/stages/evaluate/model_evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

#include "worker/model/block.h"
#include "worker/model/model_runner.h"
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
        backend_(context.backend),
        runner_(context.backend, model.config),
        stream_(context.communicator, context.backend, context.partition, model.layers,
                model.delivery.value_or(context.delivery)),
        length_(static_cast<std::int64_t>(windows.front().size())) {
    const auto count = static_cast<std::int64_t>(windows.size());
    const std::int64_t ranks = std::min<std::int64_t>(context.communicator.size(), count);
    const std::vector<SequenceRange> ranges = split_sequences(count, ranks);
    if (context.rank() < ranks) {
      mine_ = ranges[static_cast<std::size_t>(context.rank())];
    }
    chunk_ =
        std::max<std::int64_t>(context.partition.chunk_sequences, context.partition.micro_batch_sequences);
    chunks_ = (ranges.front().count + chunk_ - 1) / chunk_;  // the first range is the longest
    micro_batch_ = context.partition.micro_batch_sequences;
  }

  /// finish(first window, batch, stream) is called for every chunk of this rank with its last residual
  /// stream; with_variance: sums of attention variances per layer and head go to `variance`.
  template <typename Finish>
  void run(const Finish& finish, std::vector<OwnedMatrix>* variance) {
    for (std::int64_t chunk = 0; chunk < chunks_; ++chunk) {
      const std::int64_t first = std::min(chunk * chunk_, mine_.count);
      const TokenBatch batch{std::min(chunk_, mine_.count - first), length_};
      OwnedMatrix stream = backend_.matrix(DType::f32, batch.tokens(), model_.config.hidden_size);
      const std::vector<std::int32_t> ids = ids_of(mine_.first + first, batch.sequences);
      if (!ids.empty()) {
        ops::embed(backend_, ids, model_.ends.embedding.view(), stream.view());
      }
      stream_.forward(0, context_.layers(), [&](const LayerVisit& visit) {
        const LayerWeights weights =
            view_packed_layer(model_.config.layers[static_cast<std::size_t>(visit.layer)],
                              model_.config.hidden_size, context_.compute_dtype, visit.packed);
        Matrix sums;
        if (variance != nullptr && weights.shape.has_attention) {
          sums = (*variance)[static_cast<std::size_t>(visit.layer)].view();
        }
        visit_layer(weights, batch, stream.view(), sums);
        context_.communicator.barrier();
      });
      finish(ids, batch, stream.view());
    }
  }

  std::int64_t length() const { return length_; }

 private:
  std::vector<std::int32_t> ids_of(std::int64_t first, std::int64_t count) const {
    std::vector<std::int32_t> ids;
    for (std::int64_t i = first; i < first + count; ++i) {
      const auto& window = windows_[static_cast<std::size_t>(i)];
      ids.insert(ids.end(), window.begin(), window.end());
    }
    return ids;
  }

  void visit_layer(const LayerWeights& weights, TokenBatch batch, Matrix stream, Matrix variance) {
    const std::int64_t widest =
        std::max(weights.shape.query_heads() * weights.shape.vo_dim, weights.shape.ffn_width);
    if (features_.rows() * features_.cols() < micro_batch_ * length_ * widest) {
      features_ = backend_.matrix(context_.compute_dtype, micro_batch_ * length_, widest);
    }
    for (std::int64_t first = 0; first < batch.sequences; first += micro_batch_) {
      const TokenBatch part{std::min(micro_batch_, batch.sequences - first), length_};
      const Matrix rows = stream.rows_from(first * length_, part.tokens());
      if (weights.shape.has_attention) {
        const Matrix heads = features(part, weights.o.cols);
        runner_.attention_features(weights, part, rows, heads, variance);
        runner_.project(heads, weights.o, weights.o_bias, rows);
      }
      if (weights.shape.has_ffn) {
        const Matrix activations = features(part, weights.down.cols);
        runner_.ffn_features(weights, rows, activations);
        runner_.project(activations, weights.down, weights.down_bias, rows);
      }
      stream_.progress();
    }
  }

  Matrix features(TokenBatch batch, std::int64_t width) {
    return {features_.view().data, context_.compute_dtype, batch.tokens(), width, width};
  }

  StageContext& context_;
  const EvaluatedModel& model_;
  const std::vector<std::vector<std::int32_t>>& windows_;
  Backend& backend_;
  BlockRunner runner_;
  LayerStream stream_;
  std::int64_t length_;
  SequenceRange mine_;
  std::int64_t chunk_ = 1, chunks_ = 0, micro_batch_ = 1;
  OwnedMatrix features_;
};

}  // namespace

double TextLosses::perplexity() const {
  return std::exp(mean);
}

TextLosses evaluate_losses(StageContext& context, const EvaluatedModel& model,
                           const std::vector<std::vector<std::int32_t>>& windows) {
  ForwardPass pass(context, model, windows);
  Backend& backend = context.backend;
  BlockRunner runner(backend, model.config);
  const std::int64_t length = pass.length();
  std::vector<double> position_sums(static_cast<std::size_t>(length), 0.0);
  OwnedMatrix losses = backend.matrix(DType::f32, 1, length);
  const auto finish = [&](const std::vector<std::int32_t>& ids, TokenBatch batch, ConstMatrix stream) {
    for (std::int64_t sequence = 0; sequence < batch.sequences; ++sequence) {
      const std::span<const std::int32_t> window(ids.data() + sequence * length,
                                                 static_cast<std::size_t>(length));
      const std::vector<std::int32_t> labels = next_token_labels(window, {1, length});
      const ConstMatrix hidden = runner.normalised(
          model.ends.final_norm.view(), stream.rows_from(sequence * length, length), context.compute_dtype);
      ops::output_losses(backend, hidden, model.ends.head(), labels, losses.view());
      std::vector<float> host(static_cast<std::size_t>(length));
      backend.download(losses.view(), {host.data(), DType::f32, 1, length, length});
      for (std::size_t position = 0; position + 1 < host.size(); ++position) {
        position_sums[position + 1] += static_cast<double>(host[position]);
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
