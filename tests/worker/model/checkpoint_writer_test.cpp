#include "worker/model/checkpoint_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/model/safetensors_header.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/worker/model/failing_file_system.h"
#include "tests/worker/model/model_golden.h"
#include "tests/worker/model/new_checkpoint.h"
#include "tests/worker/model/raw_checkpoint.h"
#include "worker/model/model_runner.h"
#include "worker/model/pruned_layer.h"

namespace cce {
namespace {

Checkpoint open(const std::filesystem::path& folder) {
  return Checkpoint::open(PosixFileSystem(), folder);
}

std::vector<float> logits_of(const Checkpoint& checkpoint) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const EndWeights ends = checkpoint.end_weights(*backend, DType::f32);
  ModelRunner runner(*backend, checkpoint.config(), ends, checkpoint_layers(*backend, checkpoint, DType::f32),
                     DType::f32);
  const std::vector<std::int32_t> ids = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
  const OwnedMatrix logits = runner.logits(ids, {2, 6});
  return downloaded(*backend, logits.view()).values;
}

class WrittenCheckpoint : public ::testing::TestWithParam<const char*> {
 protected:
  TemporaryFolder folder_;
  PosixFileSystem files_;
};

TEST_P(WrittenCheckpoint, computes_the_same_in_a_plain_format) {
  const Checkpoint original = open(test_model(GetParam()));
  write_new_checkpoint(files_, folder_ / "out", same_as(original),
                       {.format = ExportFormat::uniform, .dtype = DType::f32});
  EXPECT_EQ(logits_of(open(folder_ / "out")), logits_of(original));
}

TEST_P(WrittenCheckpoint, computes_the_same_in_shards) {
  const Checkpoint original = open(test_model(GetParam()));
  write_new_checkpoint(files_, folder_ / "out", same_as(original),
                       {.format = ExportFormat::uniform, .dtype = DType::f32, .max_shard_bytes = 20000});
  EXPECT_TRUE(files_.exists(folder_ / "out/model.safetensors.index.json"));
  EXPECT_EQ(logits_of(open(folder_ / "out")), logits_of(original));
}

TEST_P(WrittenCheckpoint, computes_the_same_as_custom) {
  const Checkpoint original = open(test_model(GetParam()));
  write_new_checkpoint(files_, folder_ / "out", same_as(original),
                       {.format = ExportFormat::custom, .dtype = DType::f32});
  const Checkpoint written = open(folder_ / "out");
  EXPECT_EQ(written.config().architecture, "CceLlamaForCausalLM");
  EXPECT_EQ(logits_of(written), logits_of(original));
  const std::filesystem::path source =
      std::filesystem::path(CCE_TESTS_DIR).parent_path() / "worker/model/modeling_cce.py";
  EXPECT_TRUE(read_bytes(folder_ / "out/modeling_cce.py") == read_bytes(source));
}

TEST_P(WrittenCheckpoint, rounds_to_the_dtype_asked_for) {
  const Checkpoint original = open(test_model(GetParam()));
  write_new_checkpoint(files_, folder_ / "out", same_as(original),
                       {.format = ExportFormat::uniform, .dtype = DType::bf16});
  const Checkpoint written = open(folder_ / "out");
  const MappedFile file = files_.map_readonly(folder_ / "out/model.safetensors");
  EXPECT_EQ(parse_safetensors_header(file.bytes(), "out").tensors.front().dtype, "BF16");
  HostMatrix expected = host_layer_of(original, 0).q;
  for (float& value : expected.values) value = to_float(to_bfloat16(value));
  EXPECT_EQ(host_layer_of(written, 0).q.values, expected.values);
}

INSTANTIATE_TEST_SUITE_P(Families, WrittenCheckpoint,
                         ::testing::Values("llama_mha", "llama3_gqa", "llama_biases", "mistral_window",
                                           "qwen2_bias", "qwen3", "llama_yarn", "smollm3", "gemma3", "olmo2",
                                           "olmo3", "granite"),
                         [](const auto& row) { return std::string(row.param); });

struct UnwritableRow {
  const char* name;
  float value;
  DType dtype;
  ErrorCode code;
  const char* message;
};

TEST(UnwritableValues, leave_no_folder_behind) {
  const float infinity = std::numeric_limits<float>::infinity();
  const UnwritableRow rows[] = {
      {"nan", std::nanf(""), DType::bf16, ErrorCode::verification_failed, "NaN at element 3, 1 such value"},
      {"infinity_in_f32", -infinity, DType::f32, ErrorCode::verification_failed, "infinity at element 3"},
      {"too_large_for_f16", 65520.0F, DType::f16, ErrorCode::out_of_range, "infinite in f16"},
      {"too_large_for_bf16", 3.4e38F, DType::bf16, ErrorCode::out_of_range, "infinite in bf16"},
  };
  const Checkpoint original = open(test_model("llama_mha"));
  PosixFileSystem files;
  for (const UnwritableRow& row : rows) {
    SCOPED_TRACE(row.name);
    const TemporaryFolder folder;
    CheckpointContents contents = same_as(original);
    contents.layer = [&](std::int64_t layer) {
      HostLayer result = host_layer_of(original, layer);
      if (layer == 1) result.up.values[3] = row.value;
      return result;
    };
    const auto write = [&] {
      write_new_checkpoint(files, folder / "out", contents,
                           {.format = ExportFormat::uniform, .dtype = row.dtype});
    };
    expect_error(write, row.code, row.message);
    EXPECT_EQ(error_of(write).where, "model.layers.1.mlp.up_proj.weight");
  }
}

/// Layers pruned by a plan, each differently.
struct PrunedModel {
  explicit PrunedModel(const Checkpoint& original) {
    CompressionPlan plan = keep_all(original.config());
    plan.layers[0].ffn_neurons = {1, 5, 6, 20};
    plan.layers[0].rope_pairs = {{0, 2}, {1, 3}};
    plan.layers[1].keep_ffn = false;
    plan.layers[1].kv_groups = {1};
    plan.layers[1].rope_pairs = {plan.layers[1].rope_pairs[0]};
    config = apply_plan(original.config(), plan);
    for (std::size_t k = 0; k < plan.layers.size(); ++k) {
      const HostLayer dense = host_layer_of(original, static_cast<std::int64_t>(k));
      layers.push_back(prune_layer(view_host_layer(dense, config.hidden_size), plan.layers[k]));
    }
  }
  CheckpointContents contents(const Checkpoint& original) const {
    return {.config = config,
            .layer = [this](std::int64_t layer) { return layers[static_cast<std::size_t>(layer)]; },
            .original = original,
            .final_norm = {}};
  }
  ModelConfig config;
  std::vector<HostLayer> layers;
};

TEST(PrunedCheckpoint, a_custom_folder_holds_the_pruned_layers) {
  const Checkpoint original = open(test_model("qwen2_bias"));
  const PrunedModel pruned(original);
  TemporaryFolder folder;
  PosixFileSystem files;
  write_new_checkpoint(files, folder / "out", pruned.contents(original),
                       {.format = ExportFormat::custom, .dtype = DType::f32});
  const Checkpoint written = open(folder / "out");
  EXPECT_EQ(written.config().layers, pruned.config.layers);
  for (std::size_t k = 0; k < pruned.layers.size(); ++k) {
    const HostLayer found = host_layer_of(written, static_cast<std::int64_t>(k));
    for (const TensorRole role : layer_roles()) {
      EXPECT_EQ(part_view(found, role).values, part_view(pruned.layers[k], role).values)
          << k << role_name(role);
    }
  }
}

TEST(PrunedCheckpoint, a_plain_format_leaves_out_empty_layers) {
  const Checkpoint original = open(test_model("qwen2_bias"));
  ModelConfig config = original.config();
  config.layers[1] = LayerShape{.has_attention = false, .has_ffn = false, .rope_pairs = {}};
  CheckpointContents contents{.config = config,
                              .layer = [&](std::int64_t layer) { return host_layer_of(original, layer); },
                              .original = original,
                              .final_norm = {}};
  TemporaryFolder folder;
  PosixFileSystem files;
  write_new_checkpoint(files, folder / "out", contents,
                       {.format = ExportFormat::uniform, .dtype = DType::f32});
  const Checkpoint written = open(folder / "out");
  ASSERT_EQ(written.config().layers.size(), 2u);
  EXPECT_EQ(host_layer_of(written, 1).q.values, host_layer_of(original, 2).q.values);
}

TEST(PrunedCheckpoint, a_layer_that_contradicts_the_config_is_refused) {
  const Checkpoint original = open(test_model("qwen2_bias"));
  const PrunedModel pruned(original);
  CheckpointContents contents = pruned.contents(original);
  contents.layer = [&](std::int64_t layer) { return host_layer_of(original, layer); };
  TemporaryFolder folder;
  PosixFileSystem files;
  expect_error(
      [&] { write_new_checkpoint(files, folder / "out", contents, {.format = ExportFormat::custom}); },
      ErrorCode::shape_mismatch, "model.layers.0");
}

TEST(FailingWrites, are_told_whichever_it_is) {
  const Checkpoint original = open(test_model("llama3_gqa"));
  TemporaryFolder folder;
  PosixFileSystem files;
  int failures = 0;
  for (;; ++failures) {
    ASSERT_LT(failures, 200);
    files.remove_all(folder / "out");
    files.make_directory(folder / "out");
    FailingFileSystem failing(files, failures);
    try {
      write_checkpoint(failing, folder / "out", same_as(original),
                       {.format = ExportFormat::custom, .dtype = DType::f32, .max_shard_bytes = 60000});
      break;
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::disk_full);
    }
  }
  EXPECT_GT(failures, 20);
  EXPECT_EQ(logits_of(open(folder / "out")), logits_of(original));
}

}  // namespace
}  // namespace cce
