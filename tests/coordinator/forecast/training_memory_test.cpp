#include "common/cost/training_memory.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "coordinator/forecast/partitioner.h"
#include "tests/common/cost/uniform_model.h"

namespace cce {
namespace {

/// SmolLM2-135M with FFNs of this width.
ModelConfig smollm2(std::int64_t ffn) {
  return UniformModel{.layers = 30, .hidden = 576, .ffn = ffn, .vocabulary = 49152}.config();
}

std::int64_t forecast(JobSpec spec, const ModelConfig& config, const CheckpointSize& size) {
  spec.resources.threads = 1;
  spec.kind = JobKind::finetune;
  const Machine machine{.cores = 2, .memory_bytes = std::int64_t{64} << 30, .has_bf16 = true};
  return make_partition(spec, config, size, machine, assumed_rates(1, true)).forecast[0].peak_bytes;
}

struct MeasuredRow {
  const char* name;
  double beta, gamma;
  std::int64_t ranks;
  double peak_bytes;  ///< docs/bench/finetune.json and finetune_speed.json
};
class MeasuredTraining : public ::testing::TestWithParam<MeasuredRow> {};

/// uniform, 31.2 %: FFNs of 896, batches of 4096 tokens, windows of 1024.
TEST_P(MeasuredTraining, is_within_15_percent_of_its_forecast) {
  const MeasuredRow& row = GetParam();
  JobSpec spec;
  spec.resources.ranks = row.ranks;
  spec.finetune.batch_tokens = 4096;
  spec.finetune.beta = row.beta;
  spec.finetune.gamma = row.gamma;
  const CheckpointSize size{.tensor_bytes = 202'673'664,
                            .compute_value_bytes = 2,
                            .teacher_bytes = 269'030'016,
                            .teacher_layer_parameters = 3'538'944};
  const auto found = static_cast<double>(forecast(spec, smollm2(896), size));
  EXPECT_NEAR(row.peak_bytes / found, 1.0, 0.15) << "forecast " << found;
}

const MeasuredRow measured_rows[] = {{"every_term", 0.1, 0.01, 2, 1'997'500'416.0},
                                     {"neither_similarity_nor_nuclear", 0.0, 0.0, 2, 1'740'402'688.0},
                                     {"neither_on_one_rank", 0.0, 0.0, 1, 2'747'580'416.0}};
INSTANTIATE_TEST_SUITE_P(Forecast, MeasuredTraining, ::testing::ValuesIn(measured_rows),
                         [](const auto& row) { return std::string(row.param.name); });

/// Two layers of 4 × 32 heads and FFNs of 512, below the size that is held in huge pages.
struct TermBytes {
  explicit TermBytes(const std::function<void(FinetuneSettings&)>& change, const char* device = "cpu") {
    ModelConfig config = smollm2(512);
    config.hidden_size = 128;
    config.layers.resize(2);
    for (LayerShape& shape : config.layers) {
      shape.kv_groups = 4;
      shape.queries_per_group = 1;
      shape.qk_dim = shape.vo_dim = 32;
    }
    JobSpec spec;
    spec.resources.ranks = 1;
    spec.resources.device = device;
    spec.kind = JobKind::finetune;
    change(spec.finetune);
    Partition partition;
    partition.owner = {0, 0};
    partition.sequences = {{.first = 0, .count = 64}};
    terms = training_memory(spec, config, {.tensor_bytes = 1, .compute_value_bytes = 2}, partition, 0);
  }
  std::int64_t of(const std::string& name) const {
    for (const MemoryTerm& term : terms) {
      if (term.name == name) {
        return term.bytes;
      }
    }
    return -1;
  }
  std::vector<MemoryTerm> terms;
};

constexpr std::int64_t parameters = 2 * (4 * 128 * 128 + 3 * 128 * 512);  // both layers

TEST(TrainingMemory, keeps_a_polar_factor_a_parameter_with_gamma) {
  const TermBytes with([](FinetuneSettings&) {}), without([](FinetuneSettings&f) { f.gamma = 0.0; });
  EXPECT_EQ(with.of("polar factors of L_reg"), 4 * parameters);
  EXPECT_EQ(without.of("polar factors of L_reg"), -1);
}

TEST(TrainingMemory, keeps_covariances_and_their_images_with_beta) {
  const TermBytes with([](FinetuneSettings&) {}), without([](FinetuneSettings&f) { f.beta = 0.0; });
  EXPECT_EQ(with.of("covariances of L_sim"), 2 * 4 * (128 * 128 + 128 * 128 + 512 * 512 + 512 * 128))
      << "n × n and, without a sketch, n × d, for heads and FFN of both layers";
  EXPECT_EQ(without.of("covariances of L_sim"), -1);
}

TEST(TrainingMemory, works_on_the_widest_of_its_terms_alone) {
  const TermBytes nuclear([](FinetuneSettings& f) { f.beta = 0.0; });
  EXPECT_EQ(nuclear.of("work of L_reg and L_sim"), 512 * 128 * 32 + 128 * 128 * 40);
  const TermBytes none([](FinetuneSettings& f) { f.beta = f.gamma = 0.0; });
  EXPECT_EQ(none.of("work of L_reg and L_sim"), 0);
  const TermBytes on_gpu([](FinetuneSettings& f) { f.gamma = 0.0; }, "cuda");
  EXPECT_GE(on_gpu.of("work of L_reg and L_sim"), 16 * 1024 * 128 * 4)
      << "the measured windows' stream: a GPU's boundaries are taken from the start";
}

TEST(TrainingMemory, has_a_teacher_only_where_a_term_asks_for_it) {
  const TermBytes with([](FinetuneSettings&f) { f.kl = 0.0; }),
      without([](FinetuneSettings&f) { f.alpha = f.kl = 0.0; });
  EXPECT_GT(with.of("teacher's embedding and head"), 0);
  EXPECT_EQ(without.of("teacher's embedding and head"), -1);
  EXPECT_EQ(without.of("gradients of L_rec"), 0);
}

}  // namespace
}  // namespace cce
