#include "worker/model/generate.h"

#include <algorithm>
#include <string>

#include "common/base/error.h"
#include "worker/model/rope_frequencies.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

/// One sequence on its way through the model, with what it leaves behind in each layer.
class Decoder {
 public:
  Decoder(Backend& backend, const ModelConfig& config, const EndWeights& ends, const LayerProvider& layers,
          DType compute_dtype, std::int64_t capacity)
      : backend_(backend),
        config_(config),
        ends_(ends),
        layers_(layers),
        compute_dtype_(compute_dtype),
        blocks_(backend, config),
        caches_(config.layers.size()) {
    for (std::size_t layer = 0; layer < caches_.size(); ++layer) {
      const LayerShape& shape = config.layers[layer];
      if (!shape.has_attention) continue;
      caches_[layer].keys = backend.matrix(compute_dtype, capacity, shape.kv_groups * shape.qk_dim);
      caches_[layer].values = backend.matrix(compute_dtype, capacity, shape.kv_groups * shape.vo_dim);
    }
  }

  /// Starts again, with nothing cached.
  void forget() {
    for (KeyValueCache& cache : caches_) cache.length = 0;
  }

  /// Takes the next tokens and returns the most probable one to follow.
  std::int32_t advance(std::span<const std::int32_t> tokens) {
    const auto count = static_cast<std::int64_t>(tokens.size());
    OwnedMatrix stream = backend_.matrix(DType::f32, count, config_.hidden_size);
    ops::embed(backend_, tokens, ends_.embedding.view(), embedding_scale(config_, compute_dtype_),
               stream.view());
    for (std::size_t layer = 0; layer < caches_.size(); ++layer) run_layer(layer, stream.view());

    const ConstMatrix last = stream.view().rows_from(count - 1, 1);
    const ConstMatrix hidden = blocks_.normalised(ends_.final_norm.view(), last, compute_dtype_);
    OwnedMatrix logits = backend_.matrix(DType::f32, 1, config_.vocabulary_size);
    ops::multiply(backend_, hidden, Transpose::no, ends_.head(), Transpose::yes, logits.view());
    std::vector<float> values(static_cast<std::size_t>(config_.vocabulary_size));
    backend_.download(logits.view(), Matrix{values.data(), DType::f32, 1, logits.cols(), logits.cols()});
    return static_cast<std::int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
  }

 private:
  void run_layer(std::size_t layer, Matrix stream) {
    const LayerWeights weights = view_packed_layer(config_.layers[layer], config_.hidden_size, compute_dtype_,
                                                   layers_(static_cast<std::int64_t>(layer)));
    if (weights.shape.has_attention) {
      OwnedMatrix features = backend_.matrix(compute_dtype_, stream.rows, weights.o.cols);
      blocks_.attention_features_cached(weights, stream, caches_[layer], features.view());
      blocks_.project(weights, SubBlock::attention, features.view(), stream);
    }
    if (weights.shape.has_ffn) {
      OwnedMatrix features = backend_.matrix(compute_dtype_, stream.rows, weights.down.cols);
      blocks_.ffn_features(weights, stream, features.view());
      blocks_.project(weights, SubBlock::ffn, features.view(), stream);
    }
  }

  Backend& backend_;
  const ModelConfig& config_;
  const EndWeights& ends_;
  const LayerProvider& layers_;
  DType compute_dtype_;
  BlockRunner blocks_;
  std::vector<KeyValueCache> caches_;
};

}  // namespace

std::vector<std::int32_t> generate_greedily(Backend& backend, const ModelConfig& config,
                                            const EndWeights& ends, const LayerProvider& layers,
                                            DType compute_dtype, std::span<const std::int32_t> prompt,
                                            const GenerationSettings& settings) {
  if (prompt.empty()) {
    throw Error{.code = ErrorCode::text_too_short,
                .where = "generation prompt",
                .found = "no token",
                .expected = "at least one",
                .remedy = "Give a prompt"};
  }
  const std::int64_t capacity = static_cast<std::int64_t>(prompt.size()) + settings.max_new_tokens;
  if (capacity > config.max_positions) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "generation",
                .found = std::to_string(capacity) + " positions",
                .expected = "at most max_position_embeddings = " + std::to_string(config.max_positions),
                .remedy = "Shorten the prompt or ask for fewer tokens"};
  }
  Decoder decoder(backend, config, ends, layers, compute_dtype, capacity);
  std::vector<std::int32_t> text(prompt.begin(), prompt.end());
  std::size_t passed = 0;
  while (static_cast<std::int64_t>(text.size()) < capacity) {
    const auto before = static_cast<std::int64_t>(passed), now = static_cast<std::int64_t>(text.size());
    if (!same_frequencies(config.ropes, before, now)) {  // cached keys are turned by others
      decoder.forget();
      passed = 0;
    }
    const std::int32_t next = decoder.advance(std::span(text).subspan(passed));
    passed = text.size();
    text.push_back(next);
    if (settings.stop_token == next) break;
  }
  return {text.begin() + std::ssize(prompt), text.end()};
}

}  // namespace cce
