#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "common/architecture.h"
#include "tests/worker/model/model_golden.h"
#include "worker/model/block.h"
#include "worker/model/block_gradients.h"
#include "worker/model/model_runner.h"
#include "worker/model/output_gradients.h"
#include "worker/numeric/nuclear_ratio.h"
#include "worker/numeric/polar.h"
#include "worker/numeric/similarity_loss.h"

// One whole fp32 step of fine-tuning, all terms of design 3.5 at once, against PyTorch's autograd and AdamW:
// tests/goldens/finetune_step.safetensors, made by scripts/conformance/finetune_step.py.

namespace cce {
namespace {

constexpr double gradient_bound = 1e-4;  // relative to each tensor's largest, as the project promises

struct Settings {
  double alpha, kl, beta, gamma, delta, clip, learning_rate, beta1, beta2, epsilon, weight_decay;
};

class FinetuneStep : public ::testing::Test {
 protected:
  FinetuneStep() {
    const std::vector<float> values = golden_.matrix("settings").values;
    std::vector<double> wide(values.begin(), values.end());
    settings_ = {wide[0], wide[1], wide[2], wide[3], wide[4], wide[5],
                 wide[6], wide[7], wide[8], wide[9], wide[10]};
    for (std::int64_t k = 0; k < layers(); ++k) {
      layers_.emplace_back(*backend_);
      layers_.back().start(view_packed_layer(shape(k), d(), DType::f32, provider_(k)), d());
      gradients_.emplace_back(*backend_, shape(k), d());
    }
    d_final_norm_ = backend_->zeros(DType::f32, 1, d());
  }

  std::int64_t layers() const { return static_cast<std::int64_t>(student_.config().layers.size()); }
  const LayerShape& shape(std::int64_t k) const {
    return student_.config().layers[static_cast<std::size_t>(k)];
  }
  std::int64_t d() const { return student_.config().hidden_size; }
  TrainedLayer& layer(std::int64_t k) { return layers_[static_cast<std::size_t>(k)]; }
  LayerNumbers& gradient(std::int64_t k) { return gradients_[static_cast<std::size_t>(k)]; }

  /// The stream before layer 0, after it, …, after the last one.
  std::vector<OwnedMatrix> streams(const EndWeights& ends, const ModelConfig& config,
                                   const std::function<LayerWeights(std::int64_t)>& weights) {
    BlockRunner blocks(*backend_, config);
    std::vector<OwnedMatrix> result;
    OwnedMatrix features;
    result.push_back(backend_->matrix(DType::f32, batch_.tokens(), d()));
    backend_->embed(tokens_, ends.embedding.view(), result.back().view());
    for (std::int64_t k = 0; k < layers(); ++k) {
      OwnedMatrix next = backend_->matrix(DType::f32, batch_.tokens(), d());
      backend_->convert(result.back().view(), next.view());
      run_layer(*backend_, blocks, weights(k), batch_, next.view(), features);
      result.push_back(std::move(next));
    }
    return result;
  }

  /// L_rec, KL and L_task with the gradients of everything that the streams depend on.
  void add_stream_terms() {
    const auto teacher = streams(teacher_ends_, teacher_.config(), [&](std::int64_t k) {
      return view_packed_layer(teacher_.config().layers[static_cast<std::size_t>(k)], d(), DType::f32,
                               teacher_provider_(k));
    });
    const auto student =
        streams(ends_, student_.config(), [&](std::int64_t k) { return layer(k).master.weights(); });
    const std::int64_t tokens = batch_.tokens();
    const auto count = static_cast<double>(tokens);
    OwnedMatrix d_stream = backend_->zeros(DType::f32, tokens, d());
    OutputGradients output(*backend_, student_.config().rms_epsilon, DType::f32);
    kl_ = output.divergence(student.back().view(), ends_, teacher.back().view(), teacher_ends_,
                            settings_.kl / count, d_stream.view(), d_final_norm_.view()) /
          count;
    const double labelled = count - static_cast<double>(batch_.sequences);
    task_ = output.task(student.back().view(), ends_, next_token_labels(tokens_, batch_),
                        settings_.delta / labelled, d_stream.view(), d_final_norm_.view()) /
            labelled;

    BlockRunner blocks(*backend_, student_.config());
    OwnedMatrix losses = backend_->matrix(DType::f32, 1, tokens);
    OwnedMatrix injected = backend_->matrix(DType::f32, tokens, d());
    const double share = 1.0 / (count * static_cast<double>(layers()));
    for (std::int64_t k = layers() - 1; k >= 0; --k) {
      const auto after = static_cast<std::size_t>(k + 1);
      backend_->relative_error(student[after].view(), teacher[after].view(), settings_.alpha * share,
                               losses.view(), injected.view());
      for (const float loss : downloaded(*backend_, losses.view()).values)
        rec_ += share * static_cast<double>(loss);
      backend_->add(injected.view(), d_stream.view());
      blocks.layer_gradients(layer(k).master.weights(), batch_, student[after - 1].view(), d_stream.view(),
                             gradient(k).parts());
    }
  }

  /// Both kinds of sub-blocks, each with all of its kind as one cluster.
  void add_similarity_term() {
    for (const bool ffn : {true, false}) {
      const SimilaritySketch sketch(*backend_, d(), 1);
      const SketchMaps maps(*backend_, sketch);
      std::vector<std::int64_t> members;
      std::vector<SketchedWeights> trained;
      for (std::int64_t k = 0; k < layers(); ++k) {
        const std::string name = (ffn ? "covariance.ffn." : "covariance.attention.") + std::to_string(k);
        if (!golden_.has(name)) continue;
        members.push_back(k);
        trained.emplace_back(*backend_, maps, golden_.matrix(name).view());
      }
      const auto count = static_cast<std::int64_t>(members.size());
      std::vector<std::int32_t> cluster;
      OwnedMatrix signatures = backend_->matrix(DType::f64, count, maps.size());
      OwnedMatrix slopes = backend_->matrix(DType::f64, count, maps.size());
      for (std::int64_t i = 0; i < count; ++i) {
        const LayerWeights weights = layer(members[static_cast<std::size_t>(i)]).master.weights();
        trained[static_cast<std::size_t>(i)].signature(ffn ? weights.down : weights.o,
                                                       signatures.view().rows_from(i, 1));
        cluster.push_back(static_cast<std::int32_t>(i));
      }
      sim_ +=
          similarity_loss(signatures.view(), std::vector<std::vector<std::int32_t>>{cluster}, slopes.view());
      for (std::int64_t i = 0; i < count; ++i) {
        const LayerWeightsMutable& parts = gradient(members[static_cast<std::size_t>(i)]).parts();
        trained[static_cast<std::size_t>(i)].add_gradient(slopes.view().rows_from(i, 1), settings_.beta,
                                                          ffn ? parts.down : parts.o);
      }
    }
  }

  void add_nuclear_term() {
    for (std::int64_t k = 0; k < layers(); ++k) {
      const LayerWeights weights = layer(k).master.weights();
      LayerWeightsMutable parts = gradient(k).parts();
      for (const TensorRole role : layer_roles()) {
        const ConstMatrix& matrix = part_view(weights, role);
        if (!part_size(shape(k), d(), role).is_matrix) continue;
        const PolarFactor polar = polar_factor(*backend_, matrix);
        reg_ +=
            add_nuclear_ratio(*backend_, matrix, polar.factor.view(), settings_.gamma, part_view(parts, role))
                .ratio;
      }
    }
  }

  double gradient_norm() {
    double squares = backend_->inner_product(d_final_norm_.view(), d_final_norm_.view());
    for (LayerNumbers& numbers : gradients_) squares += backend_->inner_product(numbers.row(), numbers.row());
    return std::sqrt(squares);
  }

  /// Each trained tensor against the golden's "KIND.NAME".
  void expect_tensors(const std::string& kind, const std::function<LayerWeights(std::int64_t)>& found,
                      ConstMatrix final_norm, double bound) {
    for (std::int64_t k = 0; k < layers(); ++k) {
      const LayerWeights weights = found(k);
      for (const TensorRole role : layer_roles()) {
        const ConstMatrix& part = part_view(weights, role);
        if (part.empty()) continue;
        const std::string tensor = kind + tensor_name(role, k);
        EXPECT_LE(relative_difference(downloaded(*backend_, part).values, golden_.matrix(tensor).values),
                  bound)
            << tensor;
      }
    }
    const std::string tensor = kind + tensor_name(TensorRole::final_norm, 0);
    EXPECT_LE(relative_difference(downloaded(*backend_, final_norm).values, golden_.matrix(tensor).values),
              bound)
        << tensor;
  }

  std::unique_ptr<Backend> backend_ = make_cpu_backend(1);
  ModelGolden golden_ = ModelGolden::at("finetune_step");
  std::vector<std::int32_t> tokens_ = golden_.tokens();
  TokenBatch batch_ = golden_.batch();
  Settings settings_{};
  Checkpoint student_ = Checkpoint::open(PosixFileSystem(), test_model("custom_mixed"));
  Checkpoint teacher_ = Checkpoint::open(PosixFileSystem(), test_model("finetune_teacher"));
  EndWeights ends_ = student_.end_weights(*backend_, DType::f32);
  EndWeights teacher_ends_ = teacher_.end_weights(*backend_, DType::f32);
  LayerProvider provider_ = checkpoint_layers(*backend_, student_, DType::f32);
  LayerProvider teacher_provider_ = checkpoint_layers(*backend_, teacher_, DType::f32);
  std::vector<TrainedLayer> layers_;
  std::vector<LayerNumbers> gradients_;
  OwnedMatrix d_final_norm_;
  double rec_ = 0.0, kl_ = 0.0, sim_ = 0.0, reg_ = 0.0, task_ = 0.0;
};

TEST_F(FinetuneStep, is_the_step_of_pytorch) {
  add_stream_terms();
  add_similarity_term();
  add_nuclear_term();

  const std::vector<float> terms = golden_.matrix("terms").values;
  const double total = settings_.alpha * rec_ + settings_.kl * kl_ + settings_.beta * sim_ +
                       settings_.gamma * reg_ + settings_.delta * task_;
  const double found[] = {rec_, kl_, sim_, reg_, task_, total, gradient_norm()};
  ASSERT_EQ(terms.size(), std::size(found));
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const auto expected = static_cast<double>(terms[i]);
    EXPECT_NEAR(found[i], expected, 2e-5 * expected) << "term " << i;
  }
  expect_tensors(
      "gradient.", [&](std::int64_t k) { return gradient(k).weights(); }, d_final_norm_.view(),
      gradient_bound);

  AdamWStep step{.learning_rate = settings_.learning_rate,
                 .beta1 = settings_.beta1,
                 .beta2 = settings_.beta2,
                 .epsilon = settings_.epsilon,
                 .weight_decay = settings_.weight_decay,
                 .gradient_scale = std::min(1.0, settings_.clip / gradient_norm())};
  for (std::int64_t k = 0; k < layers(); ++k) {
    const std::size_t bytes = packed_layer_bytes(shape(k), d(), DType::f32);
    OwnedMatrix packed = backend_->matrix(DType::f32, 1, static_cast<std::int64_t>(bytes / sizeof(float)));
    step_layer(*backend_, step, gradient(k), layer(k), DType::f32, {packed.as<std::byte>(), bytes});
  }
  OwnedMatrix m = backend_->zeros(DType::f32, 1, d()), v = backend_->zeros(DType::f32, 1, d());
  step.weight_decay = 0.0;
  backend_->adamw(step, d_final_norm_.view(), ends_.final_norm.view(), m.view(), v.view(), {});
  expect_tensors(
      "stepped.", [&](std::int64_t k) { return layer(k).master.weights(); }, ends_.final_norm.view(),
      gradient_bound);
}

}  // namespace
}  // namespace cce
