#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "worker/model/block.h"
#include "worker/model/block_gradients.h"
#include "worker/passes/stage_context.h"
#include "worker/passes/sub_block.h"
#include "worker/stages/encode/stream_pair.h"

namespace cce {

/// The calibration sequences of refinement's step `step`, ascending: the fitting sequences are cut into
/// `batch` near-equal runs, and every step takes the next one of each run, from a start drawn from the seed.
/// The same whatever the ranks, and near-evenly spread over them. batch is at most fitting.size().
std::vector<std::int64_t> refine_batch(std::span<const std::int64_t> fitting, std::int64_t batch,
                                       std::int64_t step, std::uint64_t seed);

/// Refinement inside encode (docs/method.md 3.4): right after a sub-block's ridge, AdamW on all of its
/// parameters against the same targets. With h the dense stream after the sub-block and x the compressed one,
/// which starts from the compressed stream before it, the loss is the mean over a step's tokens of ‖x_t −
/// h_t‖² / ‖h_t‖² (the ridge's ω; ‖x_t − h_t‖² where encode.token_weights is off). The rate falls from
/// encode.refine_learning_rate to 0 as a cosine.
///   1. the error on the held-out sequences
///   2. steps: every rank its sequences of the batch; gradients to the owner, which steps and broadcasts the
///      layer
///   3. the held-out error again: the better weights stay
/// Calibration sequences are used again and again; a sub-block sees refine_steps × refine_batch_tokens
/// tokens. One thread.
class Refiner {
 public:
  /// All must outlive it. `runner`: of the compressed model; width: of its widest sub-block.
  Refiner(StageContext& context, StreamPair& streams, BlockRunner& runner, std::int64_t width);

  bool asked_for() const { return context_.spec.encode.refine_steps > 0; }
  /// Collective. `packed`: the layer in the compute dtype on every rank, which gets the weights that stay;
  /// `mine`: the owner's f32 layer, which gets them too, null elsewhere. streams: dense after the sub-block,
  /// compressed before it; not changed. Returns whether the refined weights stay. Errors: not_converged for
  /// an error that is not finite.
  bool refine(std::int64_t layer, SubBlock kind, const LayerShape& shape, std::span<std::byte> packed,
              HostLayer* mine);

  struct Totals {
    std::int64_t sub_blocks = 0, improved = 0;
    double error_before = 0.0, error_after = 0.0;  ///< sums of held-out errors over sub-blocks
  };
  const Totals& totals() const { return totals_; }

 private:
  void step_gradient(const LayerWeights& weights, SubBlock kind, std::int64_t step);
  void run_steps(std::int64_t layer, SubBlock kind, const LayerWeights& weights, std::span<std::byte> packed,
                 HostLayer* mine);
  double held_out_error(const LayerWeights& weights, SubBlock kind);
  /// Σ_t of the loss over some rows; their gradient by the stream after the sub-block goes to gradient_.
  double compare(const LayerWeights& weights, SubBlock kind, std::int64_t first_row, TokenBatch batch,
                 double scale);

  StageContext& context_;
  StreamPair& streams_;
  BlockRunner& runner_;
  Backend& backend_;
  std::vector<std::int64_t> fitting_;  ///< fitting sequences of all ranks
  std::int64_t batch_;
  LayerNumbers slopes_, master_;
  OwnedMatrix after_, gradient_, losses_, features_;
  Totals totals_;
};

}  // namespace cce
