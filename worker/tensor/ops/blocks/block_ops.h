#pragma once
#include <cstdint>
#include <span>

#include "common/model/activation.h"
#include "worker/tensor/ops/checks.h"

namespace cce {

/// Rotation angles of one layer: cos and sin, each f32, length × (kv_groups · qk_dim / 2); column
/// group · qk_dim / 2 + j turns the pair (j, j + qk_dim / 2) of every head of that group.
struct RopeTable {
  ConstMatrix cos, sin;
};

/// How a backend computes what a decoder layer has beside products and attention; the functions below check the operands.
struct BlockOps {
  void (*embed)(Backend& backend, std::span<const std::int32_t> ids, ConstMatrix table, float scale,
                Matrix out);
  void (*rms_norm)(Backend& backend, ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out);
  void (*rms_norm_backward)(Backend& backend, ConstMatrix d_out, ConstMatrix x, ConstMatrix gain,
                            double epsilon, Matrix d_x);
  void (*rope)(Backend& backend, Matrix x, const RopeTable& table, std::int64_t kv_groups,
               std::int64_t heads_per_group, std::int64_t length, std::int64_t first_position, bool inverse);
  void (*gated_units)(Backend& backend, Activation activation, ConstMatrix gate, ConstMatrix up, Matrix out);
  void (*gated_units_backward)(Backend& backend, Activation activation, ConstMatrix d_out, ConstMatrix gate,
                               ConstMatrix up, Matrix d_gate, Matrix d_up);
};

template <template <auto> class Wrap>
constexpr BlockOps wrapped_block_ops() {
  return {.embed = Wrap<&BlockOps::embed>::call,
          .rms_norm = Wrap<&BlockOps::rms_norm>::call,
          .rms_norm_backward = Wrap<&BlockOps::rms_norm_backward>::call,
          .rope = Wrap<&BlockOps::rope>::call,
          .gated_units = Wrap<&BlockOps::gated_units>::call,
          .gated_units_backward = Wrap<&BlockOps::gated_units_backward>::call};
}
const BlockOps& cpu_block_ops();
const BlockOps& cuda_block_ops();

namespace ops {

/// out_t ← scale · table[ids_t]; table any, out f32. Errors: out_of_range for an id outside the table.
void embed(Backend& backend, std::span<const std::int32_t> ids, ConstMatrix table, float scale, Matrix out);

/// out ← gain ⊙ x / √(mean x² + ε); x f32, gain f32 1 × d, out any.
void rms_norm(Backend& backend, ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out);

/// d_x ← d_x + ∂/∂x of the above applied to d_out; all f32.
void rms_norm_backward(Backend& backend, ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                       Matrix d_x);

/// Rotates every pair of every head in place: x (any), tokens × (kv_groups · heads_per_group · qk_dim), the
/// token at row t of a sequence of `length` rows standing at position first_position + t mod length.
/// inverse turns back (the backward pass).
void rope(Backend& backend, Matrix x, const RopeTable& table, std::int64_t kv_groups,
          std::int64_t heads_per_group, std::int64_t length, std::int64_t first_position, bool inverse);

/// out ← a(gate) ⊙ up, a the activation; all any.
void gated_units(Backend& backend, Activation activation, ConstMatrix gate, ConstMatrix up, Matrix out);

void gated_units_backward(Backend& backend, Activation activation, ConstMatrix d_out, ConstMatrix gate,
                          ConstMatrix up, Matrix d_gate, Matrix d_up);

}  // namespace ops

}  // namespace cce
