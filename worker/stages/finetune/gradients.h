#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "worker/model/block_gradients.h"
#include "worker/passes/stage_context.h"

namespace cce {

/// The gradient of one step by everything that is trained, f32, and its way over the ranks: each rank adds up
/// that of its own tokens, layer by layer, and the sum goes to the layer's owner. A layer's gradient lives at
/// its owner, 4 bytes a parameter; elsewhere memory for one layer serves all that pass by. The final norm's
/// is small: every rank has it. One thread; the calls marked collective are made by every rank in the same
/// order.
class StudentGradients {
 public:
  /// Both must outlive it. Errors: does_not_fit.
  StudentGradients(StageContext& context, const ModelConfig& student);

  /// Zeros to be added to; void at the next layer where this rank does not own it.
  const LayerWeightsMutable& start(std::int64_t layer);
  /// Collective: the sum over ranks in rank order, at the owner.
  void reduce(std::int64_t layer);
  /// The reduced gradient, on the layer's owner.
  const LayerNumbers& of(std::int64_t layer) const { return *layers_[static_cast<std::size_t>(layer)]; }
  /// The same, to be added to: terms of the weights.
  const LayerWeightsMutable& parts(std::int64_t layer) const { return of(layer).parts(); }

  Matrix start_final_norm();
  void reduce_final_norm();  ///< collective; the same sum everywhere
  ConstMatrix final_norm() const { return final_norm_.view(); }

  /// Collective: √ of the sum of squares over everything that is trained.
  double norm() const;

 private:
  LayerNumbers& numbers(std::int64_t layer);

  StageContext& context_;
  const ModelConfig& student_;
  std::vector<std::optional<LayerNumbers>> layers_;  ///< of owned layers
  LayerNumbers visiting_;                            ///< of a layer that another rank owns
  OwnedMatrix final_norm_;                           ///< 1 × d
};

}  // namespace cce
