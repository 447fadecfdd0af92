#pragma once
#include "worker/tensor/kernels/attention_backward.h"
#include "worker/tensor/kernels/attention_forward.h"
#include "worker/tensor/kernels/blocks.h"
#include "worker/tensor/kernels/divergence.h"
#include "worker/tensor/kernels/output.h"
#include "worker/tensor/kernels/product.h"
#include "worker/tensor/kernels/rows.h"
#include "worker/tensor/kernels/softmax.h"
#include "worker/tensor/kernels/table.h"
#include "worker/tensor/kernels/training.h"

/// Gathers the kernels into a table. Each file that includes this is compiled for one instruction set.
namespace cce {
namespace {

#if defined(__AVX512BF16__)
using Bf16Compute = BFloat16;
#else
using Bf16Compute = float;
#endif

void attention_forward_job(const AttentionJob& job) {
  if (job.dtype == DType::f32) {
    attention_forward_typed<float, float>(job);
  } else {
    attention_forward_typed<Bf16Compute, BFloat16>(job);
  }
}

void attention_variance_job(const AttentionJob& job) {
  if (job.dtype == DType::f32) {
    attention_variance_typed<float, float>(job);
  } else {
    attention_variance_typed<Bf16Compute, BFloat16>(job);
  }
}

void attention_backward_job(const AttentionJob& job) {
  if (job.dtype == DType::f32) {
    attention_backward_typed<float, float>(job);
  } else {
    attention_backward_typed<Bf16Compute, BFloat16>(job);
  }
}

std::size_t forward_scratch_bytes(const AttentionShape& shape, DType dtype) {
  return dtype == DType::f32 ? ForwardScratch<float>(shape, nullptr).bytes
                             : ForwardScratch<Bf16Compute>(shape, nullptr).bytes;
}

std::size_t backward_scratch_bytes(const AttentionShape& shape, DType dtype) {
  return dtype == DType::f32 ? BackwardScratch<float>(shape, nullptr).bytes
                             : BackwardScratch<Bf16Compute>(shape, nullptr).bytes;
}

constexpr CpuKernels make_kernels(const char* instruction_set) {
  CpuKernels kernels{.instruction_set = instruction_set,
                     .convert = convert_row,
                     .add = add_row,
                     .add_bias = add_bias_row,
                     .scale = scale_row,
                     .squared_norm = squared_norm_row,
                     .column_sums = column_sums_block,
                     .rms_norm = rms_norm_row,
                     .rms_norm_backward = rms_norm_backward_row,
                     .rope = rope_row,
                     .swiglu = swiglu_row,
                     .swiglu_backward = swiglu_backward_row,
                     .log_sum_exp = log_sum_exp_row,
                     .probabilities = probabilities_row,
                     .sample = sample_row,
                     .inner_product = inner_product_row,
                     .product_sums = product_sums_block,
                     .relative_error = relative_error_row,
                     .adamw = adamw_row,
                     .divergence = divergence_row,
                     .attention_forward_scratch = forward_scratch_bytes,
                     .attention_forward = attention_forward_job,
                     .attention_backward_scratch = backward_scratch_bytes,
                     .attention_backward = attention_backward_job,
                     .attention_variance_scratch = forward_scratch_bytes,
                     .attention_variance = attention_variance_job};
#if defined(__AMX_BF16__)
  kernels.pack_panels = pack_product_panels;
  kernels.product_scratch = product_scratch_bytes;
  kernels.product = product_rows;
  kernels.output_scratch = output_scratch_bytes;
  kernels.output_losses = output_losses_job;
  kernels.output_gradient = output_gradient_job;
  kernels.divergence_scratch = divergence_scratch_bytes;
  kernels.output_divergence = output_divergence_job;
#endif
  return kernels;
}

}  // namespace
}  // namespace cce
