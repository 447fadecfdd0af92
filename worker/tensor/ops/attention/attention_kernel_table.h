#pragma once
#include <cstddef>
#include <cstdint>

#include "worker/tensor/ops/attention/attention_ops.h"

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

/// Inner loops of the CPU's attention, compiled once per instruction set (cpu/kernels/table.h).
struct AttentionKernels {
  std::size_t (*attention_forward_scratch)(const AttentionShape& shape, DType dtype);
  void (*attention_forward)(const AttentionJob& job);
  std::size_t (*attention_backward_scratch)(const AttentionShape& shape, DType dtype);
  void (*attention_backward)(const AttentionJob& job);
  std::size_t (*attention_variance_scratch)(const AttentionShape& shape, DType dtype);
  void (*attention_variance)(const AttentionJob& job);
};

}  // namespace cce
