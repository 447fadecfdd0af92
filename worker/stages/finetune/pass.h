#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "worker/model/output_gradients.h"
#include "worker/passes/sweep.h"
#include "worker/stages/finetune/gradients.h"
#include "worker/stages/finetune/progress.h"
#include "worker/stages/finetune/teacher.h"
#include "worker/stages/finetune/text.h"
#include "worker/stages/finetune/weights.h"

namespace cce {

/// Forward and backward over one batch: the terms that depend on tokens, L_rec, KL and the next-token loss,
/// and their gradients (docs/method.md 3.5).
///   1. student and teacher layer by layer on the same tokens; the student's boundaries are kept, and at each
///      layer's end the gradient of its share of L_rec
///   2. at the output: KL and next-token loss; their gradient by the last stream, and by the final norm's
///      gain
///   3. the layers in reverse, each block recomputed; the gradient of L_rec enters at a layer's end; a
///      layer's weight gradient goes to its owner
/// Every rank takes a contiguous share of the batch, which may be empty. One thread.
class JointPass {
 public:
  /// batch_sequences: of the largest batch, over all ranks. The teacher is not run where neither alpha nor kl
  /// asks for it. All must outlive it. Errors: impossible_combination where alpha > 0 and the teacher has
  /// another number of layers or another width than the student; does_not_fit.
  JointPass(StageContext& context, StudentWeights& weights, StudentGradients& gradients,
            const Checkpoint& teacher, std::int64_t batch_sequences);

  /// Collective. The gradients are left in `gradients`, reduced, with respect to the weighted sum of the
  /// terms; returned are the terms' means over the whole batch, the same on every rank.
  LossTerms run(const std::vector<TrainingText::Window>& batch);

 private:
  void start(const std::vector<TrainingText::Window>& batch);
  void forward();  // 1.
  void compare(std::int64_t layer);
  void output();    // 2.
  void backward();  // 3.
  TokenBatch mine() const { return {sequences_, length_}; }
  Matrix boundary(std::int64_t index, std::int64_t first, TokenBatch batch);
  double sum_of(ConstMatrix losses) const;

  StageContext& context_;
  const ModelConfig& student_;
  StudentWeights& weights_;
  StudentGradients& gradients_;
  const FinetuneSettings& settings_;
  Backend& backend_;
  Sweep sweep_;
  OutputGradients output_;
  EndWeights ends_;  ///< of the student
  std::int64_t length_;
  std::int64_t capacity_;  ///< sequences of this rank in the largest batch
  std::optional<Teacher> teacher_;

  std::int64_t batch_sequences_ = 0;  ///< of the batch in work, over all ranks
  std::int64_t sequences_ = 0;        ///< of this rank
  std::vector<std::int32_t> ids_;
  LossTerms sums_;                       ///< over this rank's tokens
  std::vector<OwnedMatrix> boundaries_;  ///< streams before every layer and after the last: L + 1, f32
  std::vector<OwnedMatrix> recovery_;    ///< gradient of L_rec at each layer's end, compute dtype
  OwnedMatrix gradient_, losses_;
};

}  // namespace cce
