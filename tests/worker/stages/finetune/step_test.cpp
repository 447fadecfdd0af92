#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/model/architecture.h"
#include "tests/worker/model/model_golden.h"
#include "tests/worker/stages/stage_fixture.h"
#include "worker/stages/finetune/nuclear.h"
#include "worker/stages/finetune/optimiser.h"
#include "worker/stages/finetune/pass.h"
#include "worker/stages/finetune/similarity.h"

// One whole fp32 step of fine-tuning by the parts that the stage makes it of, all terms of docs/method.md 3.5
// at once, against PyTorch's autograd and AdamW: tests/goldens/finetune_step.safetensors, made by
// scripts/conformance/finetune_step.py.

namespace cce {
namespace {

constexpr double gradient_bound = 1e-4;  // relative to each tensor's largest, as the project promises

/// The golden's settings, in its order.
struct Settings {
  double alpha, kl, beta, gamma, delta, clip, learning_rate, beta1, beta2, epsilon, weight_decay;
};

Settings settings_of(const ModelGolden& golden) {
  const std::vector<float> values = golden.matrix("settings").values;
  const std::vector<double> wide(values.begin(), values.end());
  return {wide[0], wide[1], wide[2], wide[3], wide[4], wide[5], wide[6], wide[7], wide[8], wide[9], wide[10]};
}

std::vector<TrainingText::Window> windows_of(const ModelGolden& golden) {
  const std::vector<std::int32_t> tokens = golden.tokens();
  const std::int64_t length = golden.batch().length;
  std::vector<TrainingText::Window> windows;
  for (auto at = tokens.begin(); at != tokens.end(); at += length) {
    windows.emplace_back(at, at + length);
  }
  return windows;
}

/// The student as its checkpoint has it.
void take_student(StageContext& context, StudentWeights& student) {
  const std::int64_t hidden = context.dense().hidden_size;
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    const LayerShape& shape = context.dense().layers[static_cast<std::size_t>(layer)];
    std::vector<std::byte> block(packed_layer_bytes(shape, hidden, DType::f32));
    context.checkpoint.pack_layer(layer, DType::f32, block);
    if (context.owns(layer)) {
      student.set_layer(layer, to_host_layer(view_packed_layer(shape, hidden, DType::f32, block)));
    }
  }
  HostMatrix gain(1, hidden);
  context.checkpoint.read(TensorRole::final_norm, -1, DType::f32,
                          std::as_writable_bytes(std::span(gain.values)));
  student.set_final_norm(gain);
}

/// Each trained tensor of this rank against the golden's "KIND.NAME".
template <typename Find>
void expect_tensors(StageContext& context, const ModelGolden& golden, const std::string& kind,
                    const Find& find, ConstMatrix final_norm) {
  const auto expect = [&](ConstMatrix found, const std::string& tensor) {
    EXPECT_LE(relative_difference(downloaded(context.backend, found).values, golden.matrix(tensor).values),
              gradient_bound)
        << tensor;
  };
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    if (!context.owns(layer)) {
      continue;
    }
    auto weights = find(layer);
    for (const TensorRole role : layer_roles()) {
      const ConstMatrix part = part_view(weights, role);
      if (!part.empty()) {
        expect(part, kind + tensor_name(role, layer));
      }
    }
  }
  expect(final_norm, kind + tensor_name(TensorRole::final_norm, 0));
}

void check_step(StageContext& context, const ModelGolden& golden, const Checkpoint& teacher) {
  const Settings settings = settings_of(golden);
  const auto windows = windows_of(golden);
  StudentWeights student(context, context.dense());
  StudentGradients gradients(context, context.dense());
  Optimiser optimiser(context, context.dense());
  take_student(context, student);
  SimilarityTerm similarity(context, student, windows);
  NuclearTerm nuclear(context, context.dense());
  JointPass pass(context, student, gradients, teacher, golden.batch().sequences);

  LossTerms found = pass.run(windows);
  found.sim = similarity.add(gradients);
  found.reg = nuclear.add(0, student, gradients);
  const double norm = gradients.norm();
  const double values[] = {
      found.rec, found.kl, found.sim, found.reg, found.task, found.total(context.spec.finetune), norm};
  const std::vector<float> terms = golden.matrix("terms").values;
  ASSERT_EQ(terms.size(), std::size(values));
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const auto expected = static_cast<double>(terms[i]);
    EXPECT_NEAR(values[i], expected, 2e-5 * expected) << "term " << i;
  }
  expect_tensors(
      context, golden, "gradient.", [&](std::int64_t layer) { return gradients.parts(layer); },
      gradients.final_norm());

  optimiser.step({.learning_rate = settings.learning_rate,
                  .beta1 = settings.beta1,
                  .beta2 = settings.beta2,
                  .epsilon = settings.epsilon,
                  .weight_decay = settings.weight_decay,
                  .gradient_scale = std::min(1.0, settings.clip / norm)},
                 gradients, student);
  expect_tensors(
      context, golden, "stepped.", [&](std::int64_t layer) { return student.master(layer); },
      student.final_norm());
}

TEST(FinetuneStep, is_the_step_of_pytorch) {
  const ModelGolden golden = ModelGolden::at("finetune_step");
  const Settings settings = settings_of(golden);
  const Checkpoint teacher = Checkpoint::open(PosixFileSystem(), test_model("finetune_teacher"));
  for (const int ranks : {1, 2}) {
    StageJob job("custom_mixed", 4, golden.batch().length);
    job.spec.similarity.cluster_threshold = 0.0;  // all sub-blocks of a kind in one cluster
    FinetuneSettings& weights = job.spec.finetune;
    weights.alpha = settings.alpha;
    weights.kl = settings.kl;
    weights.beta = settings.beta;
    weights.gamma = settings.gamma;
    weights.delta = settings.delta;
    job.run(ranks, [&](StageContext& context) { check_step(context, golden, teacher); });
  }
}

}  // namespace
}  // namespace cce
