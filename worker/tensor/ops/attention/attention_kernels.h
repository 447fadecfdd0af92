#pragma once
#include "worker/tensor/ops/attention/attention_backward_kernels.h"
#include "worker/tensor/ops/attention/attention_forward_kernels.h"
#include "worker/tensor/ops/attention/attention_kernel_table.h"

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

constexpr AttentionKernels make_attention_kernels() {
  return {.attention_forward_scratch = forward_scratch_bytes,
          .attention_forward = attention_forward_job,
          .attention_backward_scratch = backward_scratch_bytes,
          .attention_backward = attention_backward_job,
          .attention_variance_scratch = forward_scratch_bytes,
          .attention_variance = attention_variance_job};
}

}  // namespace
}  // namespace cce
