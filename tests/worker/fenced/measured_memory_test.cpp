// What stages take from a backend's memory, by its pool, against what their forecast adds up. The backend is fenced:
// like a GPU's, its pool holds what stages allocate and nothing of the program, the host or the mapped checkpoint.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/cost/memory_forecast.h"
#include "tests/worker/fenced/fenced_backend.h"
#include "tests/worker/stages/stage_fixture.h"
#include "tests/worker/token_file.h"
#include "worker/run/pipeline.h"

namespace cce {
namespace {

struct MemoryRow {
  const char* name;
  const char* model;
  int ranks;
  std::int64_t sequences, length;
  void (*change)(JobSpec&);
};

constexpr std::int64_t evaluated_windows = 4, trained_windows = 32;

struct Forecast {
  std::int64_t bytes = 0;
  std::string terms;  ///< of the largest stage
};

/// Without what the pool does not see: the device's libraries, and the logits inside one operation.
Forecast forecast_of(const JobSpec& spec, const ModelConfig& config, const Partition& partition,
                     std::int64_t rank) {
  JobSpec on_gpu = spec;
  on_gpu.resources.device = "cuda";
  const CheckpointSize size{.tensor_bytes = 1, .compute_value_bytes = 4};
  Forecast most;
  for (const StageMemory& stage : forecast_memory(on_gpu, config, size, partition, rank)) {
    Forecast found{.bytes = 0, .terms = std::string(stage_name(stage.stage))};
    for (const MemoryTerm& term : stage.terms) {
      const bool unseen = term.name == "program and libraries" || term.name == "tile of logits";
      if (!unseen) {
        found.bytes += term.bytes;
        found.terms += "\n  " + term.name + " " + std::to_string(term.bytes);
      }
    }
    if (found.bytes > most.bytes) {
      most = found;
    }
  }
  return most;
}

std::vector<std::int64_t> measured_bytes(StageJob& job, int ranks) {
  std::vector<std::int64_t> peaks(static_cast<std::size_t>(ranks));
  job.make_backend = [] { return std::make_unique<FencedBackend>(1, DType::f32); };
  job.run(ranks, [&](StageContext& context) {
    run_pipeline(context);
    const auto& backend = dynamic_cast<const FencedBackend&>(context.backend);
    peaks[static_cast<std::size_t>(context.rank())] =
        static_cast<std::int64_t>(backend.use().peak_in_use_bytes);
  });
  return peaks;
}

class MeasuredMemory : public ::testing::TestWithParam<MemoryRow> {};

TEST_P(MeasuredMemory, is_within_its_forecast) {
  const MemoryRow& row = GetParam();
  StageJob job(row.model, row.sequences, row.length);
  const TemporaryFolder text;
  const auto tokens = text.path() / "tokens.u16";
  const std::int64_t trained = row.sequences + evaluated_windows;
  write_tokens(tokens, job.dense().vocabulary_size,
               static_cast<std::size_t>((trained + trained_windows) * row.length));
  job.spec.calibration.text = {tokens_of(tokens, 0, row.sequences)};
  job.spec.evaluate.text = {tokens_of(tokens, row.sequences, trained)};
  job.spec.evaluate.samples = 0;
  job.spec.finetune.text = {tokens_of(tokens, trained, trained + trained_windows)};
  job.spec.finetune.batch_tokens = 8 * row.length;
  row.change(job.spec);
  const std::vector<std::int64_t> measured = measured_bytes(job, row.ranks);
  for (int rank = 0; rank < row.ranks; ++rank) {
    const std::int64_t found = measured[static_cast<std::size_t>(rank)];
    const Forecast forecast = forecast_of(job.spec, job.dense(), job.partition(row.ranks), rank);
    RecordProperty("measured_share_" + std::to_string(rank),
                   std::to_string(static_cast<double>(found) / static_cast<double>(forecast.bytes)));
    EXPECT_LE(found, forecast.bytes) << "rank " << rank << ", " << forecast.terms;
    EXPECT_GE(static_cast<double>(found), 0.7 * static_cast<double>(forecast.bytes))
        << "rank " << rank << ", " << forecast.terms;
  }
}

void uniform(JobSpec& spec) {
  spec.export_settings.format = ExportFormat::uniform;
  spec.structures = {Structure::ffn};
}

const MemoryRow memory_rows[] = {
    {"many_gradient_sequences", "stories260K", 1, 8, 256,
     [](JobSpec& spec) {
       uniform(spec);
       spec.calibration.gradient_sequences = 8;
     }},
    {"encode_of_many_sequences", "stories260K", 1, 48, 128,
     [](JobSpec& spec) {
       uniform(spec);
       spec.calibration.gradient_sequences = 1;
     }},
    {"encode_on_two_ranks", "stories260K", 2, 48, 128,
     [](JobSpec& spec) {
       uniform(spec);
       spec.calibration.gradient_sequences = 2;
     }},
    {"refined", "stories260K", 1, 24, 64,
     [](JobSpec& spec) {
       uniform(spec);
       spec.calibration.gradient_sequences = 1;
       spec.encode.refine_steps = 2;
       spec.encode.refine_batch_tokens = 256;
     }},
    {"dropped_blocks", "llama_mha", 2, 16, 128,
     [](JobSpec& spec) {
       spec.structures = {Structure::ffn, Structure::blocks};
       spec.calibration.gradient_sequences = 16;
     }},
    {"normed_heads", "qwen3", 1, 16, 128, [](JobSpec& spec) { spec.structures = {Structure::ffn}; }},
    {"short_windows", "stories260K", 2, 16, 8, uniform},
    {"trained", "stories260K", 2, 8, 128,
     [](JobSpec& spec) {
       uniform(spec);
       spec.calibration.gradient_sequences = 1;
       spec.finetune.max_tokens = 2 * 8 * 128;
     }},
    {"evaluated_alone", "stories260K", 1, 8, 256, [](JobSpec& spec) { spec.kind = JobKind::evaluate; }},
};
INSTANTIATE_TEST_SUITE_P(Stages, MeasuredMemory, ::testing::ValuesIn(memory_rows),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace cce
