#include "worker/model/generate.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/common/error_matcher.h"
#include "tests/worker/model/model_golden.h"

namespace cce {
namespace {

class Generation : public ::testing::TestWithParam<const char*> {
 protected:
  Generation()
      : backend_(make_cpu_backend(1)),
        checkpoint_(Checkpoint::open(PosixFileSystem(), test_model(GetParam()))),
        ends_(checkpoint_.end_weights(*backend_, DType::f32)),
        layers_(checkpoint_layers(*backend_, checkpoint_, DType::f32)) {}

  std::vector<std::int32_t> generate(std::vector<std::int32_t> prompt, GenerationSettings settings) {
    return generate_greedily(*backend_, config_, ends_, layers_, DType::f32, prompt, settings);
  }
  /// The whole text run again for each new token.
  std::vector<std::int32_t> generate_without_cache(std::vector<std::int32_t> text, std::size_t count) {
    ModelRunner runner(*backend_, config_, ends_, layers_, DType::f32);
    const std::size_t prompt = text.size();
    while (text.size() < prompt + count) {
      const auto length = static_cast<std::int64_t>(text.size());
      const OwnedMatrix device = runner.logits(text, {1, length});
      const HostMatrix logits = downloaded(*backend_, device.view());
      const float* last = logits.row(length - 1);
      text.push_back(static_cast<std::int32_t>(std::max_element(last, last + logits.cols) - last));
    }
    return {text.begin() + static_cast<std::ptrdiff_t>(prompt), text.end()};
  }

  std::unique_ptr<Backend> backend_;
  Checkpoint checkpoint_;
  ModelConfig config_ = checkpoint_.config();
  EndWeights ends_;
  LayerProvider layers_;
};

TEST_P(Generation, with_a_cache_gives_the_same_tokens_as_without) {
  const std::vector<std::int32_t> prompt = {1, 7, 30, 2, 55};
  EXPECT_EQ(generate(prompt, {.max_new_tokens = 24, .stop_token = {}}), generate_without_cache(prompt, 24));
  EXPECT_EQ(generate({9}, {.max_new_tokens = 3, .stop_token = {}}), generate_without_cache({9}, 3));
}

INSTANTIATE_TEST_SUITE_P(Families, Generation,
                         ::testing::Values("llama_mha", "llama3_gqa", "llama_biases", "mistral_window",
                                           "qwen2_bias", "custom_mixed", "qwen3", "custom_qwen3",
                                           "stories260K", "llama_yarn", "smollm3", "custom_smollm3", "gemma3",
                                           "custom_gemma3", "olmo2", "custom_olmo2", "olmo3", "granite",
                                           "custom_granite"),
                         [](const auto& row) { return std::string(row.param); });

using LongGeneration = Generation;
INSTANTIATE_TEST_SUITE_P(Dense, LongGeneration, ::testing::Values("llama_mha"));

/// Keys that are cached before the text grows past the original length were turned by the short factors.
TEST_P(LongGeneration, past_the_original_length_of_longrope_is_the_same_as_without_a_cache) {
  config_.ropes[0].scaling = LongRope{.short_factor = {1, 1, 1, 1},
                                      .long_factor = {2, 3, 4, 5},
                                      .attention_factor = 1.2,
                                      .original_max_position = 9};
  const std::vector<std::int32_t> prompt = {1, 7, 30, 2, 55};
  EXPECT_EQ(generate(prompt, {.max_new_tokens = 24, .stop_token = {}}), generate_without_cache(prompt, 24));
}

using StoriesGeneration = Generation;
INSTANTIATE_TEST_SUITE_P(Real, StoriesGeneration, ::testing::Values("stories260K"));

TEST_P(StoriesGeneration, stops_at_the_stop_token_and_keeps_it) {
  const std::vector<std::int32_t> all = generate({1}, {.max_new_tokens = 20, .stop_token = {}});
  const std::int32_t stop = all[7];
  const std::vector<std::int32_t> stopped = generate({1}, {.max_new_tokens = 20, .stop_token = stop});
  const auto first = std::find(all.begin(), all.end(), stop);
  EXPECT_EQ(stopped, std::vector<std::int32_t>(all.begin(), first + 1));
}

TEST_P(StoriesGeneration, refuses_what_has_no_place) {
  expect_error([&] { generate({}, {}); }, ErrorCode::text_too_short, "prompt");
  expect_error([&] { generate({1}, {.max_new_tokens = 512, .stop_token = {}}); }, ErrorCode::out_of_range,
               "max_position_embeddings = 512");
  expect_error([&] { generate({512}, {.max_new_tokens = 1, .stop_token = {}}); }, ErrorCode::out_of_range,
               "512");
}

}  // namespace
}  // namespace cce
