#include "coordinator/forecast/partitioner.h"

#include <numeric>

#include "common/cost/host_memory.h"
#include "tests/common/cost/uniform_model.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

ModelConfig model_of(std::int64_t layers, std::int64_t hidden, std::int64_t ffn) {
  return UniformModel{.layers = layers, .hidden = hidden, .ffn = ffn}.config();
}

JobSpec spec_of(std::int64_t ranks, std::int64_t sequences) {
  JobSpec spec;
  spec.resources.ranks = ranks;
  spec.resources.threads = 1;
  spec.calibration.sequences = sequences;
  spec.calibration.gradient_sequences = std::max<std::int64_t>(1, sequences / 4);
  return spec;
}

const CheckpointSize small_checkpoint{.tensor_bytes = 1 << 20, .compute_value_bytes = 2};
const Machine roomy{.cores = 8, .memory_bytes = std::int64_t{64} << 30, .has_bf16 = true};

Partition partition_for(std::int64_t ranks, std::int64_t sequences, const ModelConfig& config) {
  return make_partition(spec_of(ranks, sequences), config, small_checkpoint, roomy, assumed_rates(1, true));
}

struct ShapeRow {
  const char* name;
  std::int64_t ranks, sequences, layers;
};
class Partitions : public ::testing::TestWithParam<ShapeRow> {};

TEST_P(Partitions, cover_sequences_once_and_balance_layers) {
  const auto& row = GetParam();
  const Partition partition = partition_for(row.ranks, row.sequences, model_of(row.layers, 576, 1536));
  std::int64_t next = 0;
  for (const SequenceRange& range : partition.sequences) {
    EXPECT_EQ(range.first, next);
    EXPECT_GE(range.count, 1);
    next += range.count;
  }
  EXPECT_EQ(next, row.sequences);
  std::vector<std::int64_t> owned(static_cast<std::size_t>(row.ranks), 0);
  for (const std::int32_t owner : partition.owner) {
    ++owned.at(static_cast<std::size_t>(owner));
  }
  const auto [fewest, most] = std::minmax_element(owned.begin(), owned.end());
  EXPECT_LE(*most - *fewest, 1);
  EXPECT_EQ(partition.forecast.size(), static_cast<std::size_t>(row.ranks));
  EXPECT_EQ(partition.chunk_sequences % partition.micro_batch_sequences, 0);
}

const ShapeRow shape_rows[] = {{"one_rank", 1, 64, 30},
                               {"two_ranks", 2, 64, 30},
                               {"uneven", 3, 64, 30},
                               {"more_ranks_than_layers", 8, 64, 5},
                               {"a_sequence_each", 7, 7, 12}};
INSTANTIATE_TEST_SUITE_P(Partitioner, Partitions, ::testing::ValuesIn(shape_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Partitioner, gives_heavy_layers_to_different_ranks) {
  ModelConfig config = model_of(4, 576, 256);
  config.layers[1].ffn_width = 4096;
  config.layers[2].ffn_width = 4096;
  const Partition partition = partition_for(2, 8, config);
  EXPECT_NE(partition.owner[1], partition.owner[2]);
}

TEST(Partitioner, refuses_more_ranks_than_sequences_and_names_the_most_useful_number) {
  expect_error([] { partition_for(9, 8, model_of(4, 64, 128)); }, ErrorCode::out_of_range, "at most 8 ranks");
}

TEST(Partitioner, does_not_depend_on_the_machine_where_memory_is_enough) {
  const ModelConfig config = model_of(6, 576, 1536);
  Machine larger = roomy;
  larger.memory_bytes *= 4;
  larger.cores = 64;
  const JobSpec spec = spec_of(2, 64);
  EXPECT_EQ(to_json(make_partition(spec, config, small_checkpoint, roomy, assumed_rates(1, true))),
            to_json(make_partition(spec, config, small_checkpoint, larger, assumed_rates(1, true))));
}

TEST(Partitioner, shrinks_chunks_before_it_gives_up) {
  const ModelConfig config = model_of(30, 576, 1536);
  JobSpec spec = spec_of(1, 64);
  const Partition wide = make_partition(spec, config, small_checkpoint, roomy, assumed_rates(1, true));
  spec.resources.memory_bytes = wide.forecast[0].peak_bytes * 9 / 10;
  const Partition narrow = make_partition(spec, config, small_checkpoint, roomy, assumed_rates(1, true));
  EXPECT_LT(narrow.chunk_sequences, wide.chunk_sequences);
  EXPECT_LE(narrow.forecast[0].peak_bytes, *spec.resources.memory_bytes);
}

TEST(Partitioner, names_the_fewest_ranks_that_fit) {
  const ModelConfig config = model_of(64, 1024, 4096);
  JobSpec spec = spec_of(1, 64);
  spec.resources.memory_bytes = std::int64_t{6} << 30;
  const Error error =
      error_of([&] { make_partition(spec, config, small_checkpoint, roomy, assumed_rates(1, true)); });
  EXPECT_EQ(error_name(error.code), error_name(ErrorCode::does_not_fit));
  EXPECT_EQ(exit_code(error.code), 3);
  const std::size_t at = error.remedy.find("--ranks ");
  ASSERT_NE(at, std::string::npos) << error.remedy;
  const std::int64_t named = std::stoll(error.remedy.substr(at + 8));
  spec.resources.ranks = named;
  EXPECT_NO_THROW(make_partition(spec, config, small_checkpoint, roomy, assumed_rates(1, true)));
  spec.resources.ranks = named - 1;
  EXPECT_THROW(make_partition(spec, config, small_checkpoint, roomy, assumed_rates(1, true)), Error);
}

TEST(Partitioner, says_so_when_no_number_of_ranks_fits) {
  JobSpec spec = spec_of(2, 8);
  spec.resources.memory_bytes = 1 << 20;
  expect_error(
      [&] { make_partition(spec, model_of(4, 576, 1536), small_checkpoint, roomy, assumed_rates(1, true)); },
      ErrorCode::does_not_fit, "No number of ranks fits");
}

TEST(Partitioner, names_a_shorter_window_only_where_that_fits) {
  const ModelConfig config = model_of(4, 576, 1536);
  JobSpec spec = spec_of(1, 1);
  spec.calibration.length = 16384;
  spec.resources.memory_bytes = std::int64_t{700} << 20;
  const Error error =
      error_of([&] { make_partition(spec, config, small_checkpoint, roomy, assumed_rates(1, true)); });
  const std::string key = "calibration.length=";
  const std::size_t at = error.remedy.find(key);
  ASSERT_NE(at, std::string::npos) << error.remedy;
  spec.calibration.length = std::stoll(error.remedy.substr(at + key.size()));
  EXPECT_NO_THROW(make_partition(spec, config, small_checkpoint, roomy, assumed_rates(1, true)));
  spec.resources.memory_bytes = 1 << 20;
  EXPECT_EQ(error_of([&] {
              make_partition(spec, config, small_checkpoint, roomy, assumed_rates(1, true));
            }).remedy.find(key),
            std::string::npos);
}

TEST(Partitioner, shares_a_machine_among_the_ranks_of_one_node_only) {
  const ModelConfig config = model_of(30, 576, 1536);
  JobSpec spec = spec_of(4, 64);
  const MachineRates rates = assumed_rates(1, true);
  const Partition wide = make_partition(spec, config, small_checkpoint, roomy, rates);
  Machine node = roomy;
  node.memory_bytes = wide.forecast[0].peak_bytes;
  spec.resources.nodes = 4;
  EXPECT_EQ(make_partition(spec, config, small_checkpoint, node, rates).chunk_sequences,
            wide.chunk_sequences);
  spec.resources.nodes = 3;  // two ranks on one of them
  EXPECT_THROW(make_partition(spec, config, small_checkpoint, node, rates), Error);
}

struct GrowthRow {
  const char* name;
  void (*grow)(JobSpec&, ModelConfig&, CheckpointSize&);
};
class Growth : public ::testing::TestWithParam<GrowthRow> {};

TEST_P(Growth, never_lowers_a_forecast) {
  JobSpec spec = spec_of(2, 32);
  ModelConfig config = model_of(8, 256, 1024);
  CheckpointSize size = small_checkpoint;
  const Partition before = make_partition(spec, config, size, roomy, assumed_rates(1, true));
  GetParam().grow(spec, config, size);
  const Partition after = make_partition(spec, config, size, roomy, assumed_rates(1, true));
  EXPECT_GT(after.forecast[0].peak_bytes, before.forecast[0].peak_bytes);
  for (std::size_t i = 0; i < before.forecast[0].stages.size(); ++i) {
    EXPECT_GE(after.forecast[0].stages[i].seconds, before.forecast[0].stages[i].seconds);
  }
}

const GrowthRow growth_rows[] = {
    {"wider_ffn",
     [](JobSpec&, ModelConfig& config, CheckpointSize&) {
       for (LayerShape& shape : config.layers) {
         shape.ffn_width *= 2;
       }
     }},
    {"more_layers",
     [](JobSpec&, ModelConfig& config, CheckpointSize&) { config.layers.resize(16, config.layers[0]); }},
    {"larger_vocabulary",
     [](JobSpec&, ModelConfig& config, CheckpointSize&) { config.vocabulary_size *= 8; }},
    {"longer_sequences", [](JobSpec& spec, ModelConfig&, CheckpointSize&) { spec.calibration.length *= 2; }},
    {"more_gradient_sequences",
     [](JobSpec& spec, ModelConfig&, CheckpointSize&) { spec.calibration.gradient_sequences *= 2; }},
    {"larger_checkpoint", [](JobSpec&, ModelConfig&, CheckpointSize& size) { size.tensor_bytes *= 100; }},
};
INSTANTIATE_TEST_SUITE_P(Forecast, Growth, ::testing::ValuesIn(growth_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Forecast, more_ranks_need_less_each) {
  const ModelConfig config = model_of(30, 576, 1536);
  EXPECT_LT(partition_for(4, 64, config).forecast[0].peak_bytes,
            partition_for(2, 64, config).forecast[0].peak_bytes);
  EXPECT_LT(partition_for(2, 64, config).forecast[0].peak_bytes,
            partition_for(1, 64, config).forecast[0].peak_bytes);
}

std::int64_t training_bytes(std::int64_t ranks, std::int64_t batch_tokens, std::int64_t teacher_bytes) {
  JobSpec spec = spec_of(ranks, 16);
  spec.finetune.batch_tokens = batch_tokens;
  spec.kind = JobKind::finetune;
  CheckpointSize size = small_checkpoint;
  size.teacher_bytes = teacher_bytes;
  const ModelConfig config = model_of(8, 576, 1536);
  const Partition partition = make_partition(spec, config, size, roomy, assumed_rates(1, true));
  return partition.forecast[0].peak_bytes;
}

TEST(Forecast, training_needs_its_owned_layers_its_tokens_and_its_teacher) {
  EXPECT_LT(training_bytes(2, 8192, 0), training_bytes(1, 8192, 0)) << "half of the layers and tokens";
  EXPECT_LT(training_bytes(1, 4096, 0), training_bytes(1, 8192, 0)) << "boundaries of a step";
  EXPECT_EQ(training_bytes(1, 8192, 5000), training_bytes(1, 8192, 0) + 5000);
}

/// Llama-2-7B's shapes on 128 windows of 2048 tokens, as gpu_check's largest run has them.
TEST(Forecast, a_gpu_of_80_gb_holds_a_model_of_7_billion_parameters) {
  ModelConfig config = UniformModel{.layers = 32,
                                    .hidden = 4096,
                                    .ffn = 11008,
                                    .vocabulary = 32000,
                                    .kv_groups = 32,
                                    .queries_per_group = 1,
                                    .head_dim = 128}
                           .config();
  config.tied_embeddings = false;
  JobSpec spec = spec_of(1, 128);
  spec.calibration.length = 2048;
  const CheckpointSize size{.tensor_bytes = 13'500'000'000, .compute_value_bytes = 2};
  Machine host = roomy;
  host.memory_bytes = std::int64_t{512} << 30;
  const std::int64_t on_cpu =
      make_partition(spec, config, size, host, assumed_rates(1, true)).forecast[0].peak_bytes;
  spec.resources.device = "cuda";
  const std::int64_t on_gpu =
      make_partition(spec, config, size, host, assumed_rates(1, true)).forecast[0].peak_bytes;
  EXPECT_LT(on_gpu, 72'000'000'000) << "nine tenths of an H100";
  EXPECT_GT(on_cpu, on_gpu + 50'000'000'000)
      << "the checkpoint's pages and half of the sums are the host's alone";
}

struct HostRow {
  const char* name;
  Stage stage;
  std::int64_t beyond;  ///< program, mapped checkpoint, two pinned layers, two buffers
};
class HostMemory : public ::testing::TestWithParam<HostRow> {};

TEST_P(HostMemory, of_a_gpus_rank_is_what_waits_there) {
  const ModelConfig config = model_of(4, 64, 128);
  const std::int64_t layer = layer_parameters(config.layers[0], 64);
  JobSpec spec = spec_of(2, 8);
  spec.target.amount = 0.5;
  spec.resources.device = "cuda";
  spec.finetune.max_tokens = 1;
  CheckpointSize size{.tensor_bytes = 1000, .compute_value_bytes = 2};
  size.teacher_bytes = 77;
  const Partition partition = make_partition(spec, config, size, roomy, assumed_rates(1, true));
  const std::int64_t every_stage = (1LL << 30) + 1000 + 4 * layer + (32LL << 20);
  for (const StageMemory& memory : forecast_host_memory(spec, config, size, partition, 0)) {
    EXPECT_GE(partition.forecast[0].host_bytes, memory.bytes());
    if (memory.stage == GetParam().stage) {
      EXPECT_EQ(memory.bytes(), every_stage + GetParam().beyond);
    }
  }
}

constexpr std::int64_t host_layer = 64 * 64 * (9 + 3 + 3 + 9) + 3 * 64 * 128;
constexpr std::int64_t host_starts = 2 * (4 * host_layer / 2 + 8 * 64 * 64);  // of two layers
const HostRow host_rows[] = {
    {"calibrate", Stage::calibrate, 0},
    {"make_plan", Stage::make_plan, host_starts + 8 * host_layer},
    {"encode", Stage::encode, host_starts},
    {"finetune", Stage::finetune, 77 + 4 * host_layer + 4 * host_layer + 16 * 4 * 64 * 64},
    {"evaluate", Stage::evaluate, 4 * host_layer},
    {"export", Stage::export_result, 4 * (host_layer + 1000 * 64)}};
INSTANTIATE_TEST_SUITE_P(Forecast, HostMemory, ::testing::ValuesIn(host_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Forecast, a_cpus_rank_has_no_host_beside_it) {
  EXPECT_EQ(partition_for(2, 8, model_of(4, 64, 128)).forecast[0].host_bytes, 0);
}

TEST(Forecast, a_time_budget_alone_is_used_up_and_bounds_tokens) {
  const auto seconds = [](std::int64_t tokens, double most) {
    JobSpec spec = spec_of(1, 16);
    spec.finetune.max_tokens = tokens;
    spec.finetune.max_seconds = most;
    spec.kind = JobKind::finetune;
    return make_partition(spec, model_of(8, 576, 1536), small_checkpoint, roomy, assumed_rates(1, true))
        .forecast[0]
        .stages[0]
        .seconds;
  };
  EXPECT_DOUBLE_EQ(seconds(0, 600.0), 600.0);
  EXPECT_LT(seconds(4096, 600.0), 600.0);
  EXPECT_DOUBLE_EQ(seconds(1'000'000'000, 600.0), 600.0);
}

TEST(Forecast, gradient_sequences_add_up_over_ranks) {
  CalibrationSettings calibration;
  for (const std::int64_t ranks : {1, 2, 3, 5, 7}) {
    for (const std::int64_t gradients : {1, 13, 16, 64}) {
      calibration.gradient_sequences = gradients;
      std::int64_t total = 0;
      for (const SequenceRange& range : split_sequences(calibration.sequences, ranks)) {
        total += gradient_sequences_in(calibration, range);
      }
      EXPECT_EQ(total, gradients);
    }
  }
}

TEST(Rates, of_a_gpu_are_far_above_a_core_s_but_for_the_host_s_memory) {
  const MachineRates core = assumed_rates(1, true), gpu = assumed_gpu_rates(1);
  EXPECT_GT(gpu.bf16_flops, 100 * core.bf16_flops);
  EXPECT_GT(gpu.f64_flops, 100 * core.f64_flops);
  EXPECT_EQ(gpu.memory_bytes, core.memory_bytes);
}

TEST(Rates, are_read_strictly) {
  EXPECT_DOUBLE_EQ(
      parse_rates(
          R"({"gemm_f32_flops":1e11,"gemm_bf16_flops":2e11,"gemm_f64_flops":5e10,"memory_bytes":1e10})", "p")
          .bf16_flops,
      2e11);
  expect_error([] { parse_rates("{}", "p"); }, ErrorCode::wrong_type, "gemm_f32_flops");
  expect_error([] { parse_rates("hello", "p"); }, ErrorCode::malformed_file, "p");
}

}  // namespace
}  // namespace cce
