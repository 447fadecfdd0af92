#pragma once
#include <cstdint>
#include <span>

#include "worker/model/checkpoint.h"
#include "worker/tensor/backend.h"

namespace cce {

/// The terms of fine-tuning at the end of the model (docs/method.md 3.5), from final streams (after the last
/// layer, before the final norm; f32 tokens × d) to the gradient there. Owns scratch that grows to the
/// largest batch seen; one thread at a time. Memory: 2 tokens × d in the compute dtype, 1 in f32, and the
/// chunks of the output layer; never tokens × vocabulary.
class OutputGradients {
 public:
  /// compute_dtype: of the EndWeights' matrices, f32 or bf16.
  OutputGradients(Backend& backend, double rms_epsilon, DType compute_dtype);

  /// Returns Σ_t KL(teacher_t ‖ student_t), in nats at temperature 1, over all rows. With scale s (for a mean
  /// over all tokens of a step: weight / tokens of all ranks): d_stream ← d_stream + s ∂/∂stream;
  /// d_final_norm (f32 1 × d, may be empty) ← itself + s ∂/∂(student.final_norm). Errors: shape_mismatch,
  /// unsupported.
  double divergence(ConstMatrix stream, const EndWeights& student, ConstMatrix teacher_stream,
                    const EndWeights& teacher, double scale, Matrix d_stream, Matrix d_final_norm);

  /// The same for Σ_t −log p(label_t), rows with a negative label left out (next_token_labels makes them):
  /// the task's loss.
  double task(ConstMatrix stream, const EndWeights& student, std::span<const std::int32_t> labels,
              double scale, Matrix d_stream, Matrix d_final_norm);

 private:
  Matrix view(OwnedMatrix& memory, DType dtype, std::int64_t rows, std::int64_t cols);
  double sum_of_losses(Matrix losses);
  void through_norm(ConstMatrix d_hidden, ConstMatrix stream, ConstMatrix gain, Matrix d_stream,
                    Matrix d_final_norm);

  Backend& backend_;
  double rms_epsilon_;
  DType compute_dtype_;
  OwnedMatrix hidden_, teacher_hidden_, d_hidden_, losses_, scales_;
};

}  // namespace cce
