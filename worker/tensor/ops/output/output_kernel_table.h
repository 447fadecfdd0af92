#pragma once
#include <cstddef>
#include <cstdint>

#include "worker/tensor/dtype.h"

namespace cce {

/// Some tokens of the output layer, bf16: what a thread computes at a time. Arrays are of these tokens.
struct OutputJob {
  const void* hidden = nullptr;
  const void* head = nullptr;
  std::int64_t hidden_stride = 0, head_stride = 0;
  std::int64_t tokens = 0, hidden_size = 0, vocabulary = 0;
  const std::int32_t* labels = nullptr;
  float* losses = nullptr;
  float* d_hidden = nullptr;  ///< gradient only
  std::int64_t d_hidden_stride = 0;
  const float* uniforms = nullptr;  ///< gradient only; null: the labels stand
  std::int32_t* drawn = nullptr;    ///< with uniforms: −1 on entry, the drawn labels on return
  std::byte* scratch = nullptr;
};

/// Some tokens of two models' output layers, bf16.
struct DivergenceJob {
  OutputJob student, teacher;  ///< hidden, head, strides, sizes; student: d_hidden too
  float scale = 1.0f;          ///< of d_hidden
  float* divergence = nullptr;
  std::byte* scratch = nullptr;
};

/// Inner loops of the CPU's output, compiled once per instruction set (cpu/kernels/table.h).
struct OutputKernels {
  float (*log_sum_exp)(const float* logits, std::int64_t n);
  /// out_j = exp(logits_j − log_sum_exp); out any, may be `logits` itself.
  void (*probabilities)(const float* logits, float log_sum_exp, void* out, DType dtype, std::int64_t n);
  /// The first j with Σ_{i ≤ j} exp(logits_i − log_sum_exp) > uniform; n − 1 if rounding leaves none.
  std::int64_t (*sample)(const float* logits, float log_sum_exp, float uniform, std::int64_t n);
  /// Returns KL(softmax(teacher) ‖ softmax(logits)); errors = softmax(logits) − softmax(teacher).
  float (*divergence)(const float* logits, float log_sum_exp, const float* teacher, float teacher_log_sum_exp,
                      void* errors, DType errors_dtype, std::int64_t n);
  /// The output layer fused with its softmax; null where product is.
  std::size_t (*output_scratch)(std::int64_t tokens, std::int64_t hidden_size, bool gradient) = nullptr;
  void (*output_losses)(const OutputJob& job) = nullptr;
  void (*output_gradient)(const OutputJob& job) = nullptr;
  std::size_t (*divergence_scratch)(std::int64_t tokens, std::int64_t hidden_size,
                                    std::int64_t teacher_hidden_size) = nullptr;
  void (*output_divergence)(const DivergenceJob& job) = nullptr;
};

}  // namespace cce
