#pragma once
#include <cstddef>
#include <cstdint>

#include "worker/tensor/backend.h"

namespace cce {

/// One head group of one sequence: what a thread computes at a time. Pointers are to the first row of the
/// sequence and the first column of the group; strides in elements of the views' dtype.
struct AttentionJob {
  AttentionShape shape;
  DType dtype = DType::f32;           ///< of q, k, v, out, d_out
  DType gradient_dtype = DType::f32;  ///< of d_q, d_k, d_v
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  void* out = nullptr;  ///< forward: written; backward: read
  const void* d_out = nullptr;
  void* d_q = nullptr;
  void* d_k = nullptr;
  void* d_v = nullptr;
  float* log_sum_exp = nullptr;  ///< forward: written unless null; else read
  std::int64_t q_stride = 0, k_stride = 0, v_stride = 0, out_stride = 0, d_out_stride = 0;
  std::int64_t d_q_stride = 0, d_k_stride = 0, d_v_stride = 0, log_sum_exp_stride = 0;
  std::int64_t first_query = 0;  ///< variance only
  double* variance = nullptr;    ///< variance only: one sum per head of the group
  std::byte* scratch = nullptr;  ///< 64-byte aligned, at least the bytes that the table's function asks for
};

/// A bf16 operand of a product; transposed: op(X) = Xᵀ.
struct Bf16Operand {
  const void* data = nullptr;
  std::int64_t stride = 0;
  bool transposed = false;
};

/// C ← α op(A) op(B) + β C, op(B) already packed into panels.
struct Bf16Product {
  Bf16Operand a;
  const void* panels = nullptr;
  void* c = nullptr;  ///< f32, or bf16 with β = 0
  DType c_dtype = DType::f32;
  std::int64_t c_stride = 0;
  std::int64_t rows = 0, cols = 0, depth = 0;
  float alpha = 1.0f, beta = 0.0f;
  bool upper_only = false;  ///< blocks wholly below the diagonal are left as they are
};

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

/// AdamWStep as the numbers that every element needs.
struct AdamWFactors {
  float gradient_scale, beta1, rest1, beta2, rest2;  ///< rest = 1 − β
  float kept;                                        ///< 1 − η λ
  float rate;                                        ///< η / (1 − β₁ᵗ)
  float inverse_root;                                ///< 1 / √(1 − β₂ᵗ)
  float epsilon;
};

/// The inner loops of the CPU backend, compiled once per instruction set. Rows hold n elements; "any" is f32
/// or bf16; callers have checked shapes and dtypes. Sums run in a fixed order that depends on the table
/// alone.
struct CpuKernels {
  const char* instruction_set;

  /// f32, bf16, f16, f64 to any of them.
  void (*convert)(const void* source, DType source_dtype, void* target, DType target_dtype, std::int64_t n);
  /// target += alpha source; target f32 or f64, source any or target's dtype.
  void (*add)(const void* source, DType source_dtype, void* target, DType target_dtype, double alpha,
              std::int64_t n);
  /// x += bias; x any.
  void (*add_bias)(const float* bias, void* x, DType dtype, std::int64_t n);
  void (*scale)(const void* source, DType source_dtype, float factor, void* target, DType target_dtype,
                std::int64_t n);
  float (*squared_norm)(const void* x, DType dtype, std::int64_t n);
  /// out_j += Σ_i weight_i x_ij over `rows` rows; weight null: 1.
  void (*column_sums)(const void* x, DType dtype, std::int64_t rows, std::int64_t stride, const float* weight,
                      float* out, std::int64_t n);

  void (*rms_norm)(const float* x, const float* gain, double epsilon, void* out, DType dtype, std::int64_t n);
  void (*rms_norm_backward)(const float* d_out, const float* x, const float* gain, double epsilon, float* d_x,
                            std::int64_t n);
  /// One row: groups × heads × 2 pairs columns; cos and sin have groups × pairs; direction 1 or −1.
  void (*rope)(void* x, DType dtype, const float* cos, const float* sin, std::int64_t groups,
               std::int64_t heads, std::int64_t pairs, float direction);
  void (*swiglu)(const void* gate, DType gate_dtype, const void* up, DType up_dtype, void* out,
                 DType out_dtype, std::int64_t n);
  void (*swiglu_backward)(const void* d_out, DType d_out_dtype, const void* gate, DType gate_dtype,
                          const void* up, DType up_dtype, void* d_gate, DType d_gate_dtype, void* d_up,
                          DType d_up_dtype, std::int64_t n);

  float (*log_sum_exp)(const float* logits, std::int64_t n);
  /// out_j = exp(logits_j − log_sum_exp); out any, may be `logits` itself.
  void (*probabilities)(const float* logits, float log_sum_exp, void* out, DType dtype, std::int64_t n);
  /// The first j with Σ_{i ≤ j} exp(logits_i − log_sum_exp) > uniform; n − 1 if rounding leaves none.
  std::int64_t (*sample)(const float* logits, float log_sum_exp, float uniform, std::int64_t n);

  double (*inner_product)(const void* a, DType a_dtype, const void* b, DType b_dtype, std::int64_t n);
  /// out_j += Σ_i weight_i a_ij b_ij over `rows` rows.
  void (*product_sums)(const float* a, std::int64_t a_stride, const float* b, std::int64_t b_stride,
                       const float* weight, std::int64_t rows, float* out, std::int64_t n);
  /// Returns the loss; out null: no gradient.
  float (*relative_error)(const float* x, const void* target, DType target_dtype, double scale, void* out,
                          DType out_dtype, std::int64_t n);
  void (*adamw)(const AdamWFactors& factors, const float* gradient, float* weights, float* m, float* v,
                void* copy, DType copy_dtype, std::int64_t n);
  /// Returns KL(softmax(teacher) ‖ softmax(logits)); errors = softmax(logits) − softmax(teacher).
  float (*divergence)(const float* logits, float log_sum_exp, const float* teacher, float teacher_log_sum_exp,
                      void* errors, DType errors_dtype, std::int64_t n);

  std::size_t (*attention_forward_scratch)(const AttentionShape& shape, DType dtype);
  void (*attention_forward)(const AttentionJob& job);
  std::size_t (*attention_backward_scratch)(const AttentionShape& shape, DType dtype);
  void (*attention_backward)(const AttentionJob& job);
  std::size_t (*attention_variance_scratch)(const AttentionShape& shape, DType dtype);
  void (*attention_variance)(const AttentionJob& job);

  /// bf16 products in tile registers; null where the CPU has none. Panels hold 16 columns of op(B) and are
  /// packed in any order into (padded depth) × (padded columns) elements, both padded to 32.
  void (*pack_panels)(const Bf16Operand& b, std::int64_t depth, std::int64_t cols, std::int64_t first_panel,
                      std::int64_t last_panel, void* panels) = nullptr;
  std::size_t (*product_scratch)(std::int64_t depth) = nullptr;
  /// Rows [first_row, last_row), first_row a multiple of 32 and last_row too unless it is the end.
  void (*product)(const Bf16Product& product, std::int64_t first_row, std::int64_t last_row,
                  std::byte* scratch) = nullptr;
  /// The output layer fused with its softmax; null where product is.
  std::size_t (*output_scratch)(std::int64_t tokens, std::int64_t hidden_size, bool gradient) = nullptr;
  void (*output_losses)(const OutputJob& job) = nullptr;
  void (*output_gradient)(const OutputJob& job) = nullptr;
  std::size_t (*divergence_scratch)(std::int64_t tokens, std::int64_t hidden_size,
                                    std::int64_t teacher_hidden_size) = nullptr;
  void (*output_divergence)(const DivergenceJob& job) = nullptr;
};

/// The fastest table that this CPU and operating system can run. The tables are constants.
const CpuKernels& best_cpu_kernels();

/// Each table, for tests: null where this CPU cannot run it.
const CpuKernels* cpu_kernels_named(const char* instruction_set);

}  // namespace cce
