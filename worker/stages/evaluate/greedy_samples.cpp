#include "worker/stages/evaluate/greedy_samples.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "worker/model/generate.h"
#include "worker/passes/checkpoint_layers.h"
#include "worker/text/tokenizer.h"

namespace cce {
namespace {

constexpr std::int64_t prompt_tokens = 32;
constexpr std::int64_t new_tokens = 48;

/// Layers packed once and kept: each step of decoding asks for all of them.
LayerProvider kept_layers(Backend& backend, LayerSource& source, std::int64_t layers) {
  auto packed = std::make_shared<std::vector<Buffer>>();
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    packed->push_back(pack_on_backend(backend, source, layer));
  }
  return [packed](std::int64_t layer) { return bytes_of((*packed)[static_cast<std::size_t>(layer)]); };
}

/// Nothing where there is no tokenizer, or one of a kind that only Python reads: then nothing is shown.
std::optional<Tokenizer> load_known_tokenizer(const StageContext& context) {
  try {
    return Tokenizer::load(context.files, context.spec.model);
  } catch (const Error& error) {
    if (error.code == ErrorCode::missing_file || error.code == ErrorCode::unsupported) return std::nullopt;
    throw;
  }
}

class Sampler {
 public:
  Sampler(StageContext& context, const EvaluatedModel& model, const Tokenizer& tokenizer)
      : context_(context),
        model_(model),
        tokenizer_(tokenizer),
        layers_(kept_layers(context.backend, model.layers, context.layers())) {}

  std::string continue_text(std::span<const std::int32_t> prompt) const {
    GenerationSettings settings;
    settings.max_new_tokens = new_tokens;
    settings.stop_token = model_.config.eos_token;
    return tokenizer_.decode(generate_greedily(context_.backend, model_.config, model_.ends, layers_,
                                               context_.compute_dtype, prompt, settings));
  }

 private:
  StageContext& context_;
  const EvaluatedModel& model_;
  const Tokenizer& tokenizer_;
  LayerProvider layers_;
};

}  // namespace

std::vector<GreedySample> greedy_samples(StageContext& context, const EvaluatedModel& dense,
                                         const EvaluatedModel* compressed,
                                         const std::vector<std::vector<std::int32_t>>& windows) {
  const auto count = std::min(windows.size(), static_cast<std::size_t>(context.spec.evaluate.samples));
  const std::optional<Tokenizer> known = count == 0 ? std::nullopt : load_known_tokenizer(context);
  if (!known) {
    return {};
  }
  const Tokenizer& tokenizer = *known;
  std::vector<GreedySample> result(count);
  const auto prompt_of = [&](std::size_t index) {
    return std::span(windows[index]).first(std::min<std::size_t>(windows[index].size(), prompt_tokens));
  };
  {
    const Sampler sampler(context, dense, tokenizer);
    for (std::size_t i = 0; i < count; ++i) {
      result[i].prompt = tokenizer.decode(prompt_of(i));
      result[i].before = sampler.continue_text(prompt_of(i));
    }
  }
  if (compressed != nullptr) {
    const Sampler sampler(context, *compressed, tokenizer);
    for (std::size_t i = 0; i < count; ++i) {
      result[i].after = sampler.continue_text(prompt_of(i));
    }
  }
  return result;
}

}  // namespace cce
