#include <gtest/gtest.h>

#include "tests/worker/model/model_golden.h"
#include "worker/model/model_runner.h"
#include "worker/tensor/ops.h"

// Every family against transformers in fp32: logits, losses, the stream at every sub-block, and gradients
// there.

namespace cce {
namespace {

constexpr double logits_bound = 1e-4;  // relative, as the project promises
constexpr double stream_bound = 1e-5;
constexpr double gradient_bound = 5e-5;
constexpr double bf16_bound = 0.05;

class FamilyGolden : public ::testing::TestWithParam<const char*> {
 protected:
  FamilyGolden()
      : backend_(make_cpu_backend(1)),
        golden_(GetParam()),
        checkpoint_(Checkpoint::open(PosixFileSystem(), test_model(GetParam()))),
        ends_(checkpoint_.end_weights(*backend_, DType::f32)),
        layers_(checkpoint_layers(*backend_, checkpoint_, DType::f32)) {}

  const ModelConfig& config() const { return checkpoint_.config(); }
  LayerWeights layer(std::int64_t index) {
    return view_packed_layer(config().layers[static_cast<std::size_t>(index)], config().hidden_size,
                             DType::f32, layers_(index));
  }
  void expect_near(ConstMatrix found, const std::string& tensor, double bound) {
    EXPECT_LE(relative_difference(downloaded(*backend_, found).values, golden_.matrix(tensor).values), bound)
        << tensor;
  }

  /// The reverse sweep from the golden's last gradient, each sub-block given the golden's stream before it.
  void expect_gradients(const LayerProvider& layers, DType dtype, double bound) {
    BlockRunner blocks(*backend_, config());
    const std::int64_t tokens = golden_.batch().tokens();
    const auto count = static_cast<std::int64_t>(config().layers.size());
    OwnedMatrix gradient = uploaded(*backend_, golden_.matrix("d_stream." + std::to_string(count)));
    for (std::int64_t k = count - 1; k >= 0; --k) {
      const LayerWeights weights = view_packed_layer(config().layers[static_cast<std::size_t>(k)],
                                                     config().hidden_size, dtype, layers(k));
      const std::string number = std::to_string(k);
      if (weights.shape.has_ffn) {
        const bool has_middle = golden_.has("middle." + number);
        const OwnedMatrix before =
            uploaded(*backend_, golden_.matrix((has_middle ? "middle." : "stream.") + number));
        OwnedMatrix features = backend_->matrix(dtype, tokens, weights.down.cols);
        blocks.ffn_backward(weights, before.view(), features.view(), gradient.view());
        if (has_middle) expect_near(gradient.view(), "d_middle." + number, bound);
      }
      if (weights.shape.has_attention) {
        const OwnedMatrix before = uploaded(*backend_, golden_.matrix("stream." + number));
        OwnedMatrix features = backend_->matrix(dtype, tokens, weights.o.cols);
        OwnedMatrix pairs = backend_->matrix(DType::f32, tokens, weights.k.rows / 2);
        blocks.attention_backward(weights, golden_.batch(), before.view(), features.view(), gradient.view(),
                                  pairs.view());
        expect_near(pairs.view(), "pairs." + number, bound);
      }
      expect_near(gradient.view(), "d_stream." + number, bound);
    }
  }

  std::unique_ptr<Backend> backend_;
  ModelGolden golden_;
  Checkpoint checkpoint_;
  EndWeights ends_;
  LayerProvider layers_;
};

TEST_P(FamilyGolden, logits_agree_with_transformers) {
  ModelRunner runner(*backend_, config(), ends_, layers_, DType::f32);
  const OwnedMatrix logits = runner.logits(golden_.tokens(), golden_.batch());
  expect_near(logits.view(), "logits", logits_bound);
}

TEST_P(FamilyGolden, losses_of_each_window_agree) {
  ModelRunner runner(*backend_, config(), ends_, layers_, DType::f32);
  const std::vector<float> losses = runner.token_losses(golden_.tokens(), golden_.batch(), 1);
  EXPECT_LE(relative_difference(losses, golden_.matrix("losses").values), logits_bound);
}

TEST_P(FamilyGolden, stream_agrees_at_every_sub_block) {
  BlockRunner blocks(*backend_, config());
  const TokenBatch batch = golden_.batch();
  OwnedMatrix stream = backend_->matrix(DType::f32, batch.tokens(), config().hidden_size);
  ops::embed(*backend_, golden_.tokens(), ends_.embedding.view(), embedding_scale(config(), DType::f32),
             stream.view());
  const auto count = static_cast<std::int64_t>(config().layers.size());
  for (std::int64_t k = 0; k < count; ++k) {
    expect_near(stream.view(), "stream." + std::to_string(k), stream_bound);
    const LayerWeights weights = layer(k);
    if (weights.shape.has_attention) {
      OwnedMatrix features = backend_->matrix(DType::f32, batch.tokens(), weights.o.cols);
      blocks.attention_features(weights, batch, stream.view(), features.view());
      blocks.project(weights, SubBlock::attention, features.view(), stream.view());
    }
    if (golden_.has("middle." + std::to_string(k))) {
      expect_near(stream.view(), "middle." + std::to_string(k), stream_bound);
    }
    if (weights.shape.has_ffn) {
      OwnedMatrix features = backend_->matrix(DType::f32, batch.tokens(), weights.down.cols);
      blocks.ffn_features(weights, stream.view(), features.view());
      blocks.project(weights, SubBlock::ffn, features.view(), stream.view());
    }
  }
  expect_near(stream.view(), "stream." + std::to_string(count), stream_bound);
}

TEST_P(FamilyGolden, gradients_agree_with_autograd_at_every_sub_block) {
  expect_gradients(layers_, DType::f32, gradient_bound);
}

TEST_P(FamilyGolden, gradients_in_bf16_stay_within_its_rounding) {
  expect_gradients(checkpoint_layers(*backend_, checkpoint_, DType::bf16), DType::bf16, bf16_bound);
}

TEST_P(FamilyGolden, final_gradient_agrees_through_the_output_layer) {
  const std::string last = std::to_string(config().layers.size());
  const TokenBatch batch = golden_.batch();
  const OwnedMatrix stream = uploaded(*backend_, golden_.matrix("stream." + last));
  BlockRunner blocks(*backend_, config());
  const ConstMatrix hidden = blocks.normalised(ends_.final_norm.view(), stream.view(), DType::f32);
  std::vector<std::int32_t> labels = next_token_labels(golden_.tokens(), batch);
  OwnedMatrix losses = backend_->matrix(DType::f32, 1, batch.tokens());
  OwnedMatrix d_hidden = backend_->matrix(DType::f32, batch.tokens(), config().hidden_size);
  ops::output_gradient(*backend_, hidden, ends_.head(), labels, {}, losses.view(), d_hidden.view());
  OwnedMatrix gradient = backend_->zeros(DType::f32, batch.tokens(), config().hidden_size);
  ops::rms_norm_backward(*backend_, d_hidden.view(), stream.view(), ends_.final_norm.view(),
                         config().rms_epsilon, gradient.view());
  expect_near(gradient.view(), "d_stream." + last, gradient_bound);
}

TEST_P(FamilyGolden, bf16_stays_within_its_rounding) {
  const EndWeights ends = checkpoint_.end_weights(*backend_, DType::bf16);
  ModelRunner runner(*backend_, config(), ends, checkpoint_layers(*backend_, checkpoint_, DType::bf16),
                     DType::bf16);
  const OwnedMatrix logits = runner.logits(golden_.tokens(), golden_.batch());
  expect_near(logits.view(), "logits", bf16_bound);
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyGolden,
                         ::testing::Values("llama_mha", "llama3_gqa", "llama_biases", "mistral_window",
                                           "qwen2_bias", "custom_mixed", "qwen3", "custom_qwen3",
                                           "llama_yarn", "smollm3", "custom_smollm3", "gemma3",
                                           "custom_gemma3", "olmo2", "custom_olmo2", "olmo3", "granite",
                                           "custom_granite"),
                         [](const auto& row) { return std::string(row.param); });

}  // namespace
}  // namespace cce
