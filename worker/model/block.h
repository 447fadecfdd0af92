#pragma once
#include <cstdint>
#include <memory>

#include "worker/model/layer_weights.h"
#include "worker/tensor/backend.h"
#include "worker/tensor/ops/attention/attention_ops.h"

namespace cce {

/// Whole sequences of equal length, one after another.
struct TokenBatch {
  std::int64_t sequences = 0;
  std::int64_t length = 0;
  std::int64_t tokens() const { return sequences * length; }
};

/// Keys (rotated) and values of the positions that one sequence has passed, for one layer.
struct KeyValueCache {
  OwnedMatrix keys;    ///< capacity × (G qk_dim), compute dtype
  OwnedMatrix values;  ///< capacity × (G vo_dim)
  std::int64_t length = 0;
};

/// Queries before this position see too few keys for their attention's variance to say anything
/// (docs/method.md 3.6).
inline constexpr std::int64_t first_variance_query = 64;

/// Runs the two sub-blocks of decoder layers, each split where compression cuts: inputs → features F, then what the
/// sub-block adds, u = F Wᵀ + bias, then stream ← stream + u, or + norm(u) in families that norm it. Streams are f32, tokens × d; features are of the weights' dtype (f32 or
/// bf16). Owns scratch that grows to the largest batch seen; one thread at a time. Errors: shape_mismatch
/// (features, stream, weights), invalid_argument for a sub-block that the layer lacks.
class BlockRunner {
 public:
  /// `config` gives ε of all norms, rotary settings, the scale of scores, the activation.
  BlockRunner(Backend& backend, const ModelConfig& config);
  ~BlockRunner();

  /// The stream as a sub-block takes it: x = norm(stream), compute dtype; the stream itself where the layer has no such
  /// gain. Valid until the next call.
  ConstMatrix normalised(ConstMatrix gain, ConstMatrix stream, DType dtype);

  /// Head outputs O: tokens × (H vo_dim), of norm(stream). `attention_variance` (may be empty): f64 1 × H, as
  /// Backend::attention_variance from first_variance_query on.
  void attention_features(const LayerWeights& weights, TokenBatch batch, ConstMatrix stream, Matrix features,
                          Matrix attention_variance = {});
  /// Head outputs of the next stream.rows positions of one sequence, whose keys and values are appended to
  /// `cache`. Errors: out_of_range when the cache is full.
  void attention_features_cached(const LayerWeights& weights, ConstMatrix stream, KeyValueCache& cache,
                                 Matrix features);
  /// FFN activations Z = a(x gateᵀ) ⊙ (x upᵀ): tokens × m, of x = norm(stream).
  void ffn_features(const LayerWeights& weights, ConstMatrix stream, Matrix features);
  /// stream ← stream + what a sub-block makes of its features.
  void project(const LayerWeights& weights, SubBlock kind, ConstMatrix features, Matrix stream);
  /// u = features · Wᵀ + bias, before any norm: f32, tokens × d.
  void sub_block_output(const LayerWeights& weights, SubBlock kind, ConstMatrix features, Matrix output);

  /// Given the stream before the attention sub-block and g = ∂ℓ/∂(stream after it) in d_stream: recomputes
  /// the forward, writes the head outputs to `features`, adds the sub-block's gradient to d_stream (which
  /// becomes ∂ℓ/∂(stream before)), and writes p (f32, tokens × (G qk_dim / 2)): p_tj = Σ over the group's
  /// query heads and both dims of pair j of q ∂ℓ/∂q (docs/method.md 3.3). `pair_products` may be empty, and so may
  /// `d_output` (f32, tokens × d), which gets ∂ℓ/∂u: g where nothing norms u.
  void attention_backward(const LayerWeights& weights, TokenBatch batch, ConstMatrix stream, Matrix features,
                          Matrix d_stream, Matrix pair_products, Matrix d_output = {});
  /// The same for the FFN sub-block.
  void ffn_backward(const LayerWeights& weights, ConstMatrix stream, Matrix features, Matrix d_stream,
                    Matrix d_output = {});

  /// A whole layer backward for training: given the stream before the layer and ∂ℓ/∂(stream after it) in
  /// d_stream, recomputes its forward once, turns d_stream into ∂ℓ/∂(stream before), and adds the gradient of
  /// every parameter to `gradients`: f32 parts of the shape of `weights` (as LayerGradients has them), of any
  /// widths and pair choice that `weights` may have. Micro-batches add up. A sub-block that the layer lacks
  /// is passed over.
  void layer_gradients(const LayerWeights& weights, TokenBatch batch, ConstMatrix stream, Matrix d_stream,
                       const LayerWeightsMutable& gradients);
  /// The same for one sub-block, which the layer must have: the stream before it, the gradient after it.
  void attention_gradients(const LayerWeights& weights, TokenBatch batch, ConstMatrix stream, Matrix d_stream,
                           const LayerWeightsMutable& gradients);
  void ffn_gradients(const LayerWeights& weights, ConstMatrix stream, Matrix d_stream,
                     const LayerWeightsMutable& gradients);

 private:
  struct Scratch;
  /// Queries, keys and values of consecutive positions, normed and rotated.
  struct Heads {
    Matrix q, k, v;
    Matrix plain_q, plain_k;  ///< before their norms; empty where they have none
  };
  void turn(const LayerShape& shape, const Heads& heads, std::int64_t length, std::int64_t first_position,
            bool inverse);
  ConstMatrix output_gradient(const LayerWeights& weights, SubBlock kind, ConstMatrix features,
                              ConstMatrix d_stream, Matrix d_output, const LayerWeightsMutable* gradients);
  void add_input_gradient(ConstMatrix d_x, ConstMatrix stream, ConstMatrix gain, Matrix d_gain,
                          Matrix d_stream);
  Heads project_heads(const LayerWeights& weights, ConstMatrix stream, std::int64_t length,
                      std::int64_t first_position);
  Heads project_plain_heads(const LayerWeights& weights, ConstMatrix x);
  Heads project_normed_heads(const LayerWeights& weights, ConstMatrix x);
  void norm_heads_backward(ConstMatrix plain, ConstMatrix gain, Matrix d_heads, Matrix d_gain);
  struct GatedUnits {
    Matrix gate, up;
  };
  GatedUnits project_units(const LayerWeights& weights, ConstMatrix stream);
  AttentionShape attention_shape(const LayerShape& shape, TokenBatch batch) const;
  /// What the backward pass of attention needs of its forward pass, in scratch.
  struct AttentionForward {
    ConstMatrix x;  ///< the normalised stream; void after the next call of `normalised`
    Heads heads;
    Matrix features, log_sum_exp;
  };
  AttentionForward run_attention(const LayerWeights& weights, TokenBatch batch, ConstMatrix stream,
                                 Matrix features);
  void attention_backward_from(const AttentionForward& forward, const LayerWeights& weights, TokenBatch batch,
                               ConstMatrix stream, Matrix d_stream, Matrix pair_products, Matrix d_output,
                               const LayerWeightsMutable* gradients);
  void ffn_backward_into(const LayerWeights& weights, ConstMatrix stream, Matrix features, Matrix d_stream,
                         Matrix d_output, const LayerWeightsMutable* gradients);
  void sum_pair_products(const LayerShape& shape, ConstMatrix q, ConstMatrix d_q, Matrix pair_products);

  Backend& backend_;
  ModelConfig config_;
  std::unique_ptr<Scratch> scratch_;
};

/// Appends one layer's both sub-blocks to `stream`: what a plain forward pass does with it.
/// `features_scratch` grows as needed and is reused from layer to layer. attention_variance: as in
/// BlockRunner::attention_features.
void run_layer(Backend& backend, BlockRunner& runner, const LayerWeights& weights, TokenBatch batch,
               Matrix stream, OwnedMatrix& features_scratch, Matrix attention_variance = {});

}  // namespace cce
