// A whole job on a backend whose memory the host cannot reach: every stage takes what it reads through copies
// and operations, and gives the bytes that it gives on the CPU backend, which does the same arithmetic.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/worker/fenced/fenced_backend.h"
#include "tests/worker/stages/stage_fixture.h"
#include "tests/worker/token_file.h"
#include "worker/run/pipeline.h"

namespace cce {
namespace {

struct JobRow {
  const char* name;
  const char* model;
  int ranks;
  LayerDelivery delivery;
  void (*change)(JobSpec&);
};

/// What a job runs on: the CPU backend, or the fenced one with kept sums of a dtype.
std::unique_ptr<Backend> on_cpu() {
  return make_cpu_backend(1);
}
std::unique_ptr<Backend> behind_the_fence() {
  return std::make_unique<FencedBackend>(1);
}
std::unique_ptr<Backend> behind_the_fence_with_f32_sums() {
  return std::make_unique<FencedBackend>(1, DType::f32);
}

/// The files of the result by name.
std::map<std::string, std::string> run_job(const JobRow& row, std::unique_ptr<Backend> (*make_backend)()) {
  StageJob job(row.model, 16, 24);
  const TemporaryFolder text;
  const auto tokens = text.path() / "tokens.u16";
  write_tokens(tokens, job.dense().vocabulary_size, 24 * 40);
  job.spec.calibration.text = {tokens_of(tokens, 0, 16)};
  job.spec.evaluate.text = {tokens_of(tokens, 16, 24)};
  job.spec.evaluate.samples = 1;
  job.spec.finetune.text = {tokens_of(tokens, 24, 40)};
  job.spec.finetune.batch_tokens = 4 * 24;
  row.change(job.spec);
  job.delivery = row.delivery;
  job.make_backend = make_backend;
  job.run(row.ranks, [](StageContext& context) { run_pipeline(context); });
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(job.root() / "result")) {
    std::ifstream stream(entry.path(), std::ios::binary);
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(stream),
                                      std::istreambuf_iterator<char>()};
  }
  return files;
}

class FencedPipeline : public ::testing::TestWithParam<JobRow> {};

TEST_P(FencedPipeline, gives_the_bytes_of_the_cpu_backend) {
  const auto expected = run_job(GetParam(), on_cpu);
  const auto found = run_job(GetParam(), behind_the_fence);
  ASSERT_TRUE(expected.contains("model.safetensors"));
  for (const char* name : {"model.safetensors", "config.json", "plan.json"}) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_TRUE(found.at(name) == expected.at(name)) << name << " differs";
  }
}

const JobRow job_rows[] = {{"every_structure", "llama3_gqa", 1, LayerDelivery::mapped, [](JobSpec&) {}},
                           {"two_ranks", "llama3_gqa", 2, LayerDelivery::broadcast,
                            [](JobSpec& spec) { spec.encode.refine_steps = 3; }},
                           {"biases", "qwen2_bias", 1, LayerDelivery::mapped,
                            [](JobSpec& spec) {
                              spec.export_settings.format = ExportFormat::uniform;
                              spec.structures = {Structure::ffn, Structure::kv_groups};
                            }},
                           {"normed_heads", "qwen3", 1, LayerDelivery::broadcast,
                            [](JobSpec& spec) { spec.finetune.max_tokens = 4 * 4 * 24; }},
                           {"threshold", "llama_mha", 1, LayerDelivery::broadcast,
                            [](JobSpec& spec) {
                              spec.target.kind = TargetKind::threshold;
                              spec.structures = {Structure::ffn};
                            }},
                           {"blocks_and_random", "llama_mha", 2, LayerDelivery::mapped,
                            [](JobSpec& spec) {
                              spec.structures.push_back(Structure::blocks);
                              spec.encode.target = RefitTarget::random;
                            }},
                           {"trained", "llama3_gqa", 2, LayerDelivery::broadcast,
                            [](JobSpec& spec) {
                              spec.finetune.max_tokens = 4 * 4 * 24;
                              spec.finetune.delta = 1.0;
                              spec.finetune.checkpoint_steps = 2;
                              spec.finetune.validation = spec.evaluate.text;
                              spec.similarity.cluster_threshold = 0.0;
                            }},
                           {"stories", "stories260K", 1, LayerDelivery::mapped, [](JobSpec&) {}}};

/// What a GPU keeps, to save memory: the choice may move by a step, what it costs by next to nothing.
TEST(FencedSums, in_f32_cost_what_sums_in_f64_cost) {
  const JobRow& row = job_rows[std::size(job_rows) - 1];
  const auto perplexity = [&](std::unique_ptr<Backend> (*make_backend)()) {
    const auto report = nlohmann::json::parse(run_job(row, make_backend).at("report.json"));
    return report.at("evaluation").at("perplexity").at("tokens").at("after").get<double>();
  };
  const double expected = perplexity(behind_the_fence);
  EXPECT_NEAR(perplexity(behind_the_fence_with_f32_sums), expected, 1e-3 * expected);
}

INSTANTIATE_TEST_SUITE_P(Jobs, FencedPipeline, ::testing::ValuesIn(job_rows),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace cce
