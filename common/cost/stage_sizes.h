#pragma once
#include <cstdint>

#include "common/model/model_config.h"

/// The matrices that stages hold, by name, as functions of the model's and the partition's sizes. A stage
/// allocates from these structs (worker/passes/allocate.h) and its forecast adds their bytes up: neither has
/// sizes of its own. A BlockRunner's scratch grows as it is asked: runner_bytes says how far.
namespace cce::cost {

/// What a matrix holds; the last two depend on the device.
enum class Value : std::uint8_t { f32, f64, compute, kept_sum };

struct ValueBytes {
  std::int64_t compute = 2;   ///< of a weight while it computes: 2 (bf16) or 4 (f32)
  std::int64_t kept_sum = 8;  ///< of a sum that is kept of all layers: 8, or 4 on a GPU
};

/// `count` dense matrices of one size.
struct MatrixSize {
  std::int64_t rows = 0, cols = 0;
  Value value = Value::f32;
  std::int64_t count = 1;

  std::int64_t numbers() const { return count * rows * cols; }
  std::int64_t bytes_of_one(const ValueBytes& values) const;
  std::int64_t bytes(const ValueBytes& values) const { return count * bytes_of_one(values); }
};

/// A residual stream, tokens × d.
inline MatrixSize stream_size(std::int64_t tokens, std::int64_t hidden_size) {
  return {.rows = tokens, .cols = hidden_size};
}

/// How many tokens are in memory at once, on one rank.
struct TokenCounts {
  std::int64_t chunk = 0;        ///< of the sequences that calibrate takes back and forth together
  std::int64_t micro_batch = 0;  ///< that pass a sub-block together
  std::int64_t window = 0;       ///< of one sequence
};

/// What tokens pass a layer for.
enum class Passage : std::uint8_t {
  forward,
  backward,  ///< the gradient by the stream, recomputing the layer
  training   ///< and by the weights
};

/// Memory of a BlockRunner, and of the features that Sweep keeps. For each token of a micro-batch, with m, n,
/// F = max(m, n), P the widths of q, k and v together, N those of q and k where they are normed and H the query
/// heads, of the widest layer:
///   forward    2 m + F + P + d compute values, H + N f32
///   backward   the same compute values once more, d + 2 N f32 more
///   training   m + n compute values and d f32 more
/// 2 d f32 more in all of them where what a sub-block adds is normed. Beside them two tables of rotary angles for each of
/// the model's rotary settings, f32 cosines and sines of all pairs by the positions of a window.
std::int64_t runner_bytes(const ModelConfig& config, Passage passage, const TokenCounts& tokens,
                          const ValueBytes& values);

/// The sums of one sub-block with n features that calibrate keeps at the layer's owner; empty where n = 0.
struct SubBlockSumSizes {
  MatrixSize weighted_covariance, covariance, feature_sum, gradient_covariance;
};
SubBlockSumSizes sub_block_sum_sizes(std::int64_t width, std::int64_t hidden_size);

struct CalibrateSizes {
  MatrixSize boundaries;  ///< streams before every sub-block and after the last, of a chunk
  MatrixSize gradient;    ///< of a chunk
  MatrixSize sums;        ///< of the widest layer's visit, in one row
  MatrixSize gradient_after, pair_products, scaled_features, narrow_gradient,
      row_norms;                       ///< of a micro-batch
  MatrixSize losses, hidden_gradient;  ///< of a window

  std::int64_t micro_batch_bytes(const ValueBytes& values) const;  ///< those of micro-batch and window
};
CalibrateSizes calibrate_sizes(const ModelConfig& config, const TokenCounts& tokens);

/// The dense stream of a chunk and, for each layer, the one that lacks it: analyze, where parts may be dropped.
inline MatrixSize drop_streams_size(const ModelConfig& config, std::int64_t chunk_tokens) {
  return {.rows = chunk_tokens,
          .cols = config.hidden_size,
          .count = static_cast<std::int64_t>(config.layers.size()) + 1};
}

/// Sums of one refit; two are held, of fitting and of held-out sequences. `width`: the widest sub-block that is
/// kept.
struct RefitSumSizes {
  MatrixSize totals;  ///< Fᵀ Ω F, Fᵀ Ω Y, Σ ω f, Σ ω y, Σ ω, Σ ω ‖y‖², in one row
  MatrixSize batch_gram, batch_cross, batch_sums;  ///< of one micro-batch
  MatrixSize scaled_features, scaled_targets, squared_norms;

  std::int64_t bytes(const ValueBytes& values) const;
};
RefitSumSizes refit_sum_sizes(std::int64_t width, std::int64_t hidden_size, std::int64_t micro_batch_tokens);

struct EncodeSizes {
  MatrixSize streams;   ///< the dense and the compressed one, of all of a rank's tokens
  MatrixSize features;  ///< of all of them, of the compressed layer
  MatrixSize targets, weights_root, error, narrow_error;  ///< of a micro-batch
  MatrixSize error_gram;

  std::int64_t micro_batch_bytes(const ValueBytes& values) const;  ///< with error_gram
};
EncodeSizes encode_sizes(std::int64_t rank_tokens, std::int64_t micro_batch_tokens, std::int64_t width,
                         std::int64_t hidden_size);

/// Refinement inside encode, of a micro-batch, beside the layer's numbers.
struct RefineSizes {
  MatrixSize after, gradient, losses, features;

  std::int64_t bytes(const ValueBytes& values) const;
};
RefineSizes refine_sizes(std::int64_t micro_batch_tokens, std::int64_t width, std::int64_t hidden_size);

/// A training step, of a rank's tokens of it.
struct TrainingSizes {
  MatrixSize boundaries;  ///< streams before every layer and after the last
  MatrixSize recovery;    ///< gradient of L_rec at each layer's end; none where alpha = 0
  MatrixSize gradient;
  MatrixSize losses;  ///< of a micro-batch
};
TrainingSizes training_sizes(const ModelConfig& config, std::int64_t step_tokens,
                             std::int64_t micro_batch_tokens, bool recovers);

/// max(m, n) over the layers: the widest features of a sub-block; at least 1.
std::int64_t widest_features(const ModelConfig& config);

}  // namespace cce::cost
