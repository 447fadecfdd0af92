#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>

#include "worker/model/block.h"
#include "worker/passes/layer_stream.h"
#include "worker/passes/stage_context.h"

namespace cce {

/// Runs this rank's tokens through the layers of a model, forward and back: the layers come by on every rank
/// (LayerStream), each stage's visitor says what it does with them, and tokens pass a micro-batch at a time.
/// The streams stay their stage's. Every rank makes the same calls, one without tokens too. One thread.
class Sweep {
 public:
  /// A stage's visitor, for each layer in turn.
  struct Visit {
    std::int64_t layer = 0;
    LayerWeights weights;  ///< in the compute dtype, on the backend; valid until the visit ends
    bool owner = false;    ///< this rank owns the layer
  };

  /// config: of the model whose layers `source` packs. partition: the job's, or one with an owner for each of
  /// this model's layers. All but the delivery must outlive it.
  Sweep(StageContext& context, const ModelConfig& config, LayerSource& source, LayerDelivery delivery,
        const Partition& partition)
      : backend_(context.backend),
        config_(config),
        compute_dtype_(context.compute_dtype),
        micro_batch_(context.partition.micro_batch_sequences),
        runner_(context.backend, config),
        stream_(context.communicator, context.backend, partition, source, delivery) {}
  Sweep(StageContext& context, const ModelConfig& config, LayerSource& source, LayerDelivery delivery)
      : Sweep(context, config, source, delivery, context.partition) {}

  /// visit(Visit) for layers first, …, last − 1. Errors: those of LayerStream and of the visit.
  template <typename Visitor>
  void forward(std::int64_t first, std::int64_t last, const Visitor& visit) {
    stream_.forward(first, last, [&](const LayerVisit& came) { visit(seen(came)); });
  }
  template <typename Visitor>
  void forward(const Visitor& visit) {
    forward(0, layers(), visit);
  }
  /// The same for layers last − 1, …, 0.
  template <typename Visitor>
  void backward(const Visitor& visit) {
    stream_.backward(0, layers(), [&](const LayerVisit& came) { visit(seen(came)); });
  }

  /// work(first token, micro-batch) for all of `batch`; the next layer moves on in between.
  template <typename Work>
  void for_each_micro_batch(TokenBatch batch, const Work& work) {
    for (std::int64_t first = 0; first < batch.sequences; first += micro_batch_) {
      work(first * batch.length, TokenBatch{std::min(micro_batch_, batch.sequences - first), batch.length});
      stream_.progress();
    }
  }

  /// Moves one micro-batch's rows of a residual stream through a layer. attention_variance: as in
  /// BlockRunner::attention_features.
  void pass(const LayerWeights& weights, TokenBatch batch, Matrix stream, Matrix attention_variance = {}) {
    run_layer(backend_, runner_, weights, batch, stream, features_, attention_variance);
  }

  BlockRunner& runner() { return runner_; }
  std::int64_t layers() const { return static_cast<std::int64_t>(config_.layers.size()); }

 private:
  Visit seen(const LayerVisit& came) const {
    return {came.layer,
            view_packed_layer(config_.layers[static_cast<std::size_t>(came.layer)], config_.hidden_size,
                              compute_dtype_, came.packed),
            came.owner};
  }

  Backend& backend_;
  const ModelConfig& config_;
  DType compute_dtype_;
  std::int64_t micro_batch_;
  BlockRunner runner_;
  LayerStream stream_;
  OwnedMatrix features_;  ///< of one micro-batch; grows to the widest sub-block
};

}  // namespace cce
