#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "worker/passes/checkpoint_layers.h"
#include "worker/passes/stage_context.h"
#include "worker/passes/sweep.h"

namespace cce {

/// The dense model beside the student: one residual stream over this rank's tokens, moved on layer by layer,
/// so that only the stream that is compared right now is in memory. One thread; the calls that pass layers
/// are collective.
class Teacher {
 public:
  /// Room for max_tokens. `checkpoint` may be the job's own or another one of the same vocabulary. Both must
  /// outlive it. Errors: shape_mismatch for another vocabulary; does_not_fit.
  Teacher(StageContext& context, const Checkpoint& checkpoint, std::int64_t max_tokens);

  std::int64_t layers() const { return static_cast<std::int64_t>(checkpoint_.config().layers.size()); }
  /// The stream ← the embedded tokens of `sequences` sequences of `length`.
  void start(std::span<const std::int32_t> ids, TokenBatch batch);
  /// Runs layer `layer` over the stream. Collective.
  void advance(std::int64_t layer);
  /// Rows of the stream.
  Matrix stream(std::int64_t first, std::int64_t count) { return stream_.view().rows_from(first, count); }
  const EndWeights& ends() const { return ends_; }

 private:
  const Checkpoint& checkpoint_;
  Backend& backend_;
  Partition partition_;  ///< the job's, with an owner for each of this model's layers
  CheckpointLayers source_;
  Sweep sweep_;
  EndWeights ends_;
  float embedding_scale_ = 1.0F;
  OwnedMatrix stream_;
  TokenBatch batch_;
};

}  // namespace cce
