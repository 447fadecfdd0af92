#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>

#include "worker/model/block.h"
#include "worker/passes/layer_stream.h"
#include "worker/passes/stage_context.h"
#include "worker/passes/sub_block.h"

namespace cce {

/// Runs this rank's tokens through the layers of a model, forward and back: the layers come by on every rank
/// (LayerStream), each stage's visitor says what it does with them, and tokens pass a micro-batch at a time.
/// The streams stay their stage's: what a visitor sums of a sub-block's features, and which stream their
/// outputs are added to, is all that stages differ in. Every rank makes the same calls, one without tokens
/// too. One thread.
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

  /// work(first token, micro-batch) for all of `batch`, `sequences` of them at a time (those of the job's
  /// micro-batches); the next layer moves on in between.
  template <typename Work>
  void for_each_micro_batch(TokenBatch batch, std::int64_t sequences, const Work& work) {
    for (std::int64_t first = 0; first < batch.sequences; first += sequences) {
      work(first * batch.length, TokenBatch{std::min(sequences, batch.sequences - first), batch.length});
      stream_.progress();
    }
  }
  template <typename Work>
  void for_each_micro_batch(TokenBatch batch, const Work& work) {
    for_each_micro_batch(batch, micro_batch_, work);
  }
  /// work(micro-batch) for micro-batches of a stage's own.
  template <typename MicroBatches, typename Work>
  void for_each_of(const MicroBatches& micro_batches, const Work& work) {
    for (const auto& micro_batch : micro_batches) {
      work(micro_batch);
      stream_.progress();
    }
  }

  /// One sub-block on one micro-batch: after ← after + what it makes of `before`, which may be the same rows.
  /// Returns its features, tokens × n, in memory that the next call takes over.
  Matrix step(SubBlock kind, const LayerWeights& weights, TokenBatch batch, ConstMatrix before,
              Matrix after) {
    const Matrix features = feature_memory(batch, feature_width(weights.shape, kind));
    compute_features(runner_, kind, weights, batch, before, features);
    runner_.project(weights, kind, features, after);
    return features;
  }
  /// Memory for features of a micro-batch, compute dtype: void after the next call of this, step or pass.
  Matrix feature_memory(TokenBatch batch, std::int64_t width) {
    const auto bytes = static_cast<std::size_t>(batch.tokens() * width) * size_in_bytes(compute_dtype_);
    if (features_.bytes() < bytes) {
      features_ = OwnedMatrix();  // freed first, so that old and new never live together
      features_ = backend_.matrix(compute_dtype_, batch.tokens(), width);
    }
    return {features_.as<std::byte>(), compute_dtype_, batch.tokens(), width, width};
  }

  /// Moves one micro-batch's rows of a residual stream through a whole layer. attention_variance: as in
  /// BlockRunner::attention_features.
  void pass(const LayerWeights& weights, TokenBatch batch, Matrix stream, Matrix attention_variance = {}) {
    run_layer(backend_, runner_, weights, batch, stream, features_, attention_variance);
  }

  /// Sums over ranks to the layer's owner: LayerStream::reduce_to_owner.
  void reduce_to_owner(std::int64_t layer, Matrix values) { stream_.reduce_to_owner(layer, values); }

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
