#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

#include "worker/tensor/cpu/cpu_backend.h"

namespace cce::cpu_ops {

/// Tokens [first, first + count) of an output layer; labels, losses, gradient and scratch are the caller's to fill in.
OutputJob output_job(ConstMatrix hidden, ConstMatrix head, std::int64_t first, std::int64_t count);

/// The output layer by the tile kernels: tokens in jobs of their own, `work(first, count, scratch)`, with as much scratch
/// as scratch_bytes(tokens of a job) says.
void for_each_output_job(CpuBackend& cpu, std::int64_t tokens, std::int64_t largest_job,
                         std::int64_t hidden_size,
                         const std::function<std::size_t(std::int64_t)>& scratch_bytes,
                         const std::function<void(std::int64_t, std::int64_t, std::byte*)>& work);

/// logits ← hidden headᵀ, f32.
void compute_logits(CpuBackend& cpu, ConstMatrix hidden, ConstMatrix head, Matrix logits);

}  // namespace cce::cpu_ops
