#pragma once
#include <cstdint>
#include <optional>

#include "worker/tensor/ops/checks.h"

namespace cce {

/// Shapes of causal grouped-query attention over `sequences` independent sequences stored one after another.
/// Query row i of a sequence stands at position key_length − query_length + i and sees keys up to its
/// position (and, with a window, only the latest `window` of them).
struct AttentionShape {
  std::int64_t sequences = 0;
  std::int64_t query_length = 0;
  std::int64_t key_length = 0;
  std::int64_t kv_groups = 0;
  std::int64_t queries_per_group = 0;
  std::int64_t qk_dim = 0;
  std::int64_t vo_dim = 0;
  double scale = 1.0;  ///< 1/√(dense head_dim): pruning pairs does not change it
  std::optional<std::int64_t> window;

  std::int64_t query_heads() const { return kv_groups * queries_per_group; }
};

/// How a backend computes attention; the functions below check its operands.
struct AttentionOps {
  void (*attention_forward)(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                            ConstMatrix v, Matrix out, Matrix log_sum_exp);
  void (*attention_backward)(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                             ConstMatrix v, ConstMatrix out, ConstMatrix log_sum_exp, ConstMatrix d_out,
                             Matrix d_q, Matrix d_k, Matrix d_v);
  void (*attention_variance)(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                             ConstMatrix log_sum_exp, std::int64_t first_query, Matrix variance);
};

template <template <auto> class Wrap>
constexpr AttentionOps wrapped_attention_ops() {
  return {.attention_forward = Wrap<&AttentionOps::attention_forward>::call,
          .attention_backward = Wrap<&AttentionOps::attention_backward>::call,
          .attention_variance = Wrap<&AttentionOps::attention_variance>::call};
}
const AttentionOps& cpu_attention_ops();
const AttentionOps& cuda_attention_ops();

namespace ops {

/// out_h ← softmax(scale q_h k_gᵀ + causal mask) v_g. q, k, v, out of one dtype (any): q tokens × H qk_dim,
/// k tokens × G qk_dim, v tokens × G vo_dim, out tokens × H vo_dim; log_sum_exp (may be empty) f32
/// tokens × H, of the scaled scores. Tiled: never a whole score matrix.
void attention_forward(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                       ConstMatrix v, Matrix out, Matrix log_sum_exp);

/// Gradients from d_out; query_length == key_length. d_q, d_k, d_v are overwritten; all of q's dtype or
/// f32.
void attention_backward(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                        ConstMatrix v, ConstMatrix out, ConstMatrix log_sum_exp, ConstMatrix d_out,
                        Matrix d_q, Matrix d_k, Matrix d_v);

/// variance_h ← variance_h + Σ over queries at positions ≥ first_query of (Σ_j p_j² / n − 1/n²), n the keys
/// that the query sees: the variance of its attention row (docs/method.md 3.6). variance f64 1 × H.
void attention_variance(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                        ConstMatrix log_sum_exp, std::int64_t first_query, Matrix variance);

}  // namespace ops

}  // namespace cce
