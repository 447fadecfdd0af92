#include "worker/model/checkpoint.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/worker/model/model_golden.h"
#include "tests/worker/model/raw_checkpoint.h"

namespace cce {
namespace {

Checkpoint open(const std::filesystem::path& folder) {
  return Checkpoint::open(PosixFileSystem(), folder);
}

TEST(Checkpoint, knows_its_size) {
  EXPECT_EQ(open(test_model("stories260K")).tensor_bytes(),
            4 * (512 * 64 + 5 * (3 * 172 * 64 + 3 * 64 * 64 + 2 * 64) + 64));
}

TEST(Checkpoint, packs_what_the_file_holds) {
  const Checkpoint checkpoint = open(test_model("llama_mha"));
  const LayerShape& shape = checkpoint.config().layers[1];
  std::vector<std::byte> block(packed_layer_bytes(shape, 32, DType::f32));
  checkpoint.pack_layer(1, DType::f32, block);
  const HostLayer layer =
      to_host_layer(view_packed_layer(shape, 32, DType::f32, std::span<const std::byte>(block)));
  for (const RawTensor& tensor : read_raw_tensors(test_model("llama_mha") / "model.safetensors")) {
    for (const TensorRole role : layer_roles()) {
      if (tensor.name != tensor_name(role, 1)) continue;
      const std::vector<float>& values = part_view(layer, role).values;
      ASSERT_EQ(values.size() * 4, tensor.bytes.size());
      EXPECT_EQ(std::memcmp(values.data(), tensor.bytes.data(), tensor.bytes.size()), 0) << tensor.name;
    }
  }
  expect_error([&] { checkpoint.pack_layer(2, DType::f32, block); }, ErrorCode::out_of_range, "layer 2");
  expect_error([&] { checkpoint.pack_layer(0, DType::f32, std::span(block).first(100)); },
               ErrorCode::shape_mismatch, "100 bytes");
}

TEST(Checkpoint, a_tied_head_is_the_embedding) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const Checkpoint tied = open(test_model("llama3_gqa"));
  const EndWeights ends = tied.end_weights(*backend, DType::bf16);
  EXPECT_EQ(ends.head().data, ends.embedding.as<void>());
  EXPECT_EQ(downloaded(*backend, tied.head(*backend, DType::f32).view()).values,
            downloaded(*backend, tied.embedding(*backend, DType::f32).view()).values);
}

/// A copy of llama_mha that a test may spoil.
class SpoiltCheckpoint : public ::testing::Test {
 protected:
  SpoiltCheckpoint() : tensors_(read_raw_tensors(test_model("llama_mha") / "model.safetensors")) {
    write_bytes(folder_ / "config.json", read_bytes(test_model("llama_mha") / "config.json"));
  }
  RawTensor& tensor(const std::string& name) {
    for (RawTensor& candidate : tensors_) {
      if (candidate.name == name) return candidate;
    }
    throw Error{.code = ErrorCode::missing_tensor, .where = name, .found = {}, .expected = {}, .remedy = {}};
  }
  void remove(const std::string& name) {
    std::erase_if(tensors_, [&](const RawTensor& candidate) { return candidate.name == name; });
  }
  void save() { write_raw_tensors(folder_ / "model.safetensors", tensors_); }
  void expect_refused(ErrorCode code, const std::string& part) {
    save();
    expect_error([&] { open(folder_.path()); }, code, part);
    EXPECT_FALSE(error_of([&] { open(folder_.path()); }).remedy.empty());
  }

  TemporaryFolder folder_;
  std::vector<RawTensor> tensors_;
};

TEST_F(SpoiltCheckpoint, unspoilt_it_opens) {
  save();
  EXPECT_EQ(open(folder_.path()).config().layers.size(), 2u);
}

TEST_F(SpoiltCheckpoint, missing_tensor_is_named) {
  remove("model.layers.1.mlp.up_proj.weight");
  expect_refused(ErrorCode::missing_tensor, "model.layers.1.mlp.up_proj.weight");
}

TEST_F(SpoiltCheckpoint, missing_head_of_an_untied_model) {
  remove("lm_head.weight");
  expect_refused(ErrorCode::missing_tensor, "lm_head.weight");
}

TEST_F(SpoiltCheckpoint, another_shape_is_named_with_both_shapes) {
  std::swap(tensor("model.layers.0.mlp.up_proj.weight").shape[0],
            tensor("model.layers.0.mlp.up_proj.weight").shape[1]);
  expect_refused(ErrorCode::shape_mismatch, "found [32, 40], expected [40, 32]");
}

TEST_F(SpoiltCheckpoint, another_dtype_is_refused) {
  tensor("model.norm.weight").dtype = "I32";
  expect_refused(ErrorCode::unsupported, "dtype I32");
}

TEST_F(SpoiltCheckpoint, a_tensor_nobody_reads_is_refused_rather_than_dropped) {
  tensors_.push_back({"model.layers.0.self_attn.q_norm.weight", "F32", {8}, std::string(32, '\0')});
  expect_refused(ErrorCode::unsupported, "q_norm");
}

TEST_F(SpoiltCheckpoint, old_rotary_buffers_are_harmless) {
  tensors_.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {4}, std::string(16, '\0')});
  save();
  EXPECT_EQ(open(folder_.path()).config().layers.size(), 2u);
}

TEST_F(SpoiltCheckpoint, truncated_weights_are_refused) {
  save();
  const std::string bytes = read_bytes(folder_ / "model.safetensors");
  for (const std::size_t length : {std::size_t{0}, std::size_t{7}, std::size_t{100}, bytes.size() - 1}) {
    write_bytes(folder_ / "model.safetensors", bytes.substr(0, length));
    const Error error = error_of([&] { open(folder_.path()); });
    EXPECT_EQ(exit_code(error.code), 2) << describe(error);
    EXPECT_THAT(error.where, ::testing::HasSubstr("model.safetensors"));
  }
}

TEST_F(SpoiltCheckpoint, a_folder_without_weights_or_config) {
  expect_error([&] { open(folder_.path()); }, ErrorCode::missing_file, "neither model.safetensors nor");
  write_bytes(folder_ / "pytorch_model.bin", "x");
  expect_error([&] { open(folder_.path()); }, ErrorCode::missing_file, "save_pretrained");
  std::filesystem::remove(folder_ / "config.json");
  expect_error([&] { open(folder_.path()); }, ErrorCode::missing_file, "pytorch_model.bin");
}

TEST(ConfigSpelling, of_transformers_4_reads_the_same_rotary_settings) {
  std::string text = read_bytes(test_model("llama3_gqa") / "config.json");
  const std::vector<RopeSettings> expected = parse_model_config(text, "newer").ropes;
  const auto replace = [&](const std::string& from, const std::string& to) {
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
  };
  replace("\"rope_theta\": 10000.0,", "");
  replace("\"rope_parameters\"", "\"rope_theta\": 10000.0, \"rope_scaling\"");
  replace("\"dtype\"", "\"torch_dtype\"");
  EXPECT_EQ(parse_model_config(text, "older").ropes, expected);
}

/// A copy of a sharded model.
class SpoiltShards : public ::testing::Test {
 protected:
  SpoiltShards() {
    std::filesystem::copy(test_model("llama3_gqa"), folder_.path(), std::filesystem::copy_options::recursive);
  }
  TemporaryFolder folder_;
};

TEST_F(SpoiltShards, missing_shard_is_named) {
  std::filesystem::remove(folder_ / "model-00002-of-00003.safetensors");
  expect_error([&] { open(folder_.path()); }, ErrorCode::missing_file, "model-00002-of-00003.safetensors");
}

TEST_F(SpoiltShards, a_tensor_in_two_shards_is_refused) {
  std::vector<RawTensor> second = read_raw_tensors(folder_ / "model-00002-of-00003.safetensors");
  second.push_back(read_raw_tensors(folder_ / "model-00001-of-00003.safetensors").front());
  write_raw_tensors(folder_ / "model-00002-of-00003.safetensors", second);
  expect_error([&] { open(folder_.path()); }, ErrorCode::malformed_file, "another shard");
}

TEST_F(SpoiltShards, a_shard_without_its_tensor_is_refused) {
  std::vector<RawTensor> second = read_raw_tensors(folder_ / "model-00002-of-00003.safetensors");
  second.pop_back();
  write_raw_tensors(folder_ / "model-00002-of-00003.safetensors", second);
  expect_error([&] { open(folder_.path()); }, ErrorCode::missing_tensor, "model.layers");
}

}  // namespace
}  // namespace cce
