#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "worker/model/block.h"
#include "worker/model/checkpoint.h"

namespace cce {

/// The packed bytes of a layer (packed_layer_bytes long), in memory that the backend computes on; valid until
/// the next call.
using LayerProvider = std::function<std::span<const std::byte>(std::int64_t layer)>;

/// Packs each layer of a checkpoint when asked, into one buffer of the backend that it reuses. Both must
/// outlive it.
LayerProvider checkpoint_layers(Backend& backend, const Checkpoint& checkpoint, DType compute_dtype);

/// Runs whole models: for evaluation, verification and tests. `config`'s layers are the shapes that `layers`
/// provides; what it borrows must outlive it. One thread at a time.
class ModelRunner {
 public:
  ModelRunner(Backend& backend, const ModelConfig& config, const EndWeights& ends, LayerProvider layers,
              DType compute_dtype);

  /// The residual stream after the last layer, f32 tokens × d. `ids`: the batch's tokens, sequence after
  /// sequence. At each layer the batch passes in slices of micro_batch_sequences (0: all at once), which
  /// bounds scratch. Errors: shape_mismatch (ids, batch), out_of_range (an id outside the vocabulary).
  OwnedMatrix final_stream(std::span<const std::int32_t> ids, TokenBatch batch,
                           std::int64_t micro_batch_sequences = 0);
  /// −log p of each sequence's tokens 1 … length − 1 given those before, natural log: sequences × (length −
  /// 1) values.
  std::vector<float> token_losses(std::span<const std::int32_t> ids, TokenBatch batch,
                                  std::int64_t micro_batch_sequences = 0);
  /// f32 tokens × vocabulary: for comparisons on short inputs.
  OwnedMatrix logits(std::span<const std::int32_t> ids, TokenBatch batch);

  /// norm(stream) in the compute dtype, then logits of these rows.
  OwnedMatrix logits_of(ConstMatrix stream);

 private:
  Backend& backend_;
  const ModelConfig& config_;
  const EndWeights& ends_;
  LayerProvider layers_;
  DType compute_dtype_;
  BlockRunner blocks_;
  OwnedMatrix features_;
};

/// Labels of a batch: each token's successor within its sequence, −1 for the last.
std::vector<std::int32_t> next_token_labels(std::span<const std::int32_t> ids, TokenBatch batch);

}  // namespace cce
