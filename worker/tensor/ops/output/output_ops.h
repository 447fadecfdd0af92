#pragma once
#include <cstdint>
#include <span>

#include "worker/tensor/ops/checks.h"

namespace cce {

/// How a backend computes the output layer, fused with its loss and in chunks, so that no tokens × vocabulary matrix is
/// in memory; the functions below check the operands.
struct OutputOps {
  void (*output_losses)(Backend& backend, ConstMatrix hidden, ConstMatrix head,
                        std::span<const std::int32_t> labels, Matrix losses);
  void (*output_gradient)(Backend& backend, ConstMatrix hidden, ConstMatrix head,
                          std::span<std::int32_t> labels, std::span<const float> uniforms, Matrix losses,
                          Matrix d_hidden);
  void (*output_divergence)(Backend& backend, ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                            ConstMatrix teacher_head, double scale, Matrix divergence, Matrix d_hidden);
};

template <template <auto> class Wrap>
constexpr OutputOps wrapped_output_ops() {
  return {.output_losses = Wrap<&OutputOps::output_losses>::call,
          .output_gradient = Wrap<&OutputOps::output_gradient>::call,
          .output_divergence = Wrap<&OutputOps::output_divergence>::call};
}
const OutputOps& cpu_output_ops();
const OutputOps& cuda_output_ops();

namespace ops {

/// loss_t ← −log softmax(hidden_t headᵀ)[label_t]; 0 where label_t < 0. hidden, head any (same); losses f32
/// 1 × tokens.
void output_losses(Backend& backend, ConstMatrix hidden, ConstMatrix head,
                   std::span<const std::int32_t> labels, Matrix losses);

/// The same with d_hidden_t ← Σ_v (p_v − [v = label_t]) head_v (0 where label_t < 0); d_hidden f32. Where
/// `uniforms` is not empty, label_t (≥ 0 on entry) is first drawn from p by inverse transform of uniforms_t
/// ∈ [0, 1).
void output_gradient(Backend& backend, ConstMatrix hidden, ConstMatrix head, std::span<std::int32_t> labels,
                     std::span<const float> uniforms, Matrix losses, Matrix d_hidden);

/// divergence_t ← KL(p ‖ q) = Σ_v p_v (log p_v − log q_v) in nats, p = softmax(teacher_t teacher_headᵀ), q
/// = softmax(hidden_t headᵀ); d_hidden_t ← scale ∂/∂hidden_t = scale Σ_v (q_v − p_v) head_v. Both
/// normalised streams tokens × d, both heads vocabulary × d, all four of one dtype (any); the heads may be
/// the same matrix. divergence f32 1 × tokens; d_hidden f32.
void output_divergence(Backend& backend, ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                       ConstMatrix teacher_head, double scale, Matrix divergence, Matrix d_hidden);

}  // namespace ops

}  // namespace cce
