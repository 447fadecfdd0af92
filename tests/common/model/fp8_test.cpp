#include "common/model/checkpoint/fp8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/base/json_reader.h"
#include "common/model/checkpoint/checkpoint_files.h"
#include "common/model/model_config_write.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/worker/model/raw_checkpoint.h"
#include "tests/worker/test_model.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

TEST(Fp8, bytes_are_the_numbers_of_pytorch) {
  const std::string path = std::string(CCE_TESTS_DIR) + "/goldens/fp8.json";
  const Json goldens = parse_json(read_bytes(path), path);
  for (const char* dtype : {"F8_E4M3", "F8_E5M2"}) {
    ASSERT_EQ(goldens[dtype].size(), 256U);
    for (std::size_t bits = 0; bits < 256; ++bits) {
      const Json& golden = goldens[dtype][bits];
      const float value = fp8_value(dtype, static_cast<std::uint8_t>(bits));
      if (golden == "nan") {
        EXPECT_TRUE(std::isnan(value)) << dtype << " " << bits;
      } else if (golden.is_string()) {
        EXPECT_EQ(value, golden == "inf" ? std::numeric_limits<float>::infinity()
                                         : -std::numeric_limits<float>::infinity());
      } else {
        EXPECT_EQ(value, golden.get<float>()) << dtype << " " << bits;
      }
    }
  }
}

std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

/// 5 × 7 ones (0x38 of E4M3) with scales of a shape.
StoredTensor scaled(const std::string& bytes, const std::vector<float>& scales,
                    std::vector<std::int64_t> shape, const std::vector<std::int64_t>& block = {}) {
  StoredTensor weight{.shape = {5, 7}, .values = {std::as_bytes(std::span(bytes)), "F8_E4M3"}};
  const StoredTensor stored{.shape = std::move(shape), .values = {std::as_bytes(std::span(scales)), "F32"}};
  attach_scales(weight, stored, block);
  return weight;
}

std::vector<float> rows_of(const StoredTensor& weight, std::int64_t first, std::int64_t rows) {
  std::vector<float> values(static_cast<std::size_t>(rows * 7));
  dequantize_rows(weight, first, rows, values);
  return values;
}

TEST(Fp8, scales_are_of_the_whole_of_rows_or_of_blocks) {
  const std::string ones(35, '\x38');
  EXPECT_EQ(rows_of(scaled(ones, {3.0F}, {}), 1, 1), std::vector<float>(7, 3.0F));
  EXPECT_EQ(rows_of(scaled(ones, {3.0F}, {1}), 4, 1), std::vector<float>(7, 3.0F));
  EXPECT_EQ(rows_of(scaled(ones, {1, 2, 3, 4, 5}, {5, 1}), 2, 1), std::vector<float>(7, 3.0F));
  const StoredTensor blocks = scaled(ones, {1, 2, 3, 4, 5, 6}, {3, 2}, {2, 4});
  EXPECT_EQ(rows_of(blocks, 0, 1), (std::vector<float>{1, 1, 1, 1, 2, 2, 2}));
  EXPECT_EQ(rows_of(blocks, 3, 2), (std::vector<float>{3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6}));
  expect_error(
      [&] {
        scaled(ones, {1, 2, 3, 4, 5, 6}, {3, 2}, {4, 4});
      },
      ErrorCode::malformed_file, "[3, 2]");
  expect_error([&] { scaled(ones, {1, 2}, {2}); }, ErrorCode::malformed_file, "[2]");
}

TEST(Fp8, what_cannot_be_held_is_found_behind_the_scale) {
  std::string bytes(35, '\x38');
  bytes[9] = '\x7e';   // 448
  bytes[20] = '\x7f';  // NaN
  const StoredTensor weight = scaled(bytes, {200.0F}, {1});
  const std::optional<UnheldValues> found = find_unheld_values(weight, "F16");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->count, 2);
  EXPECT_EQ(found->first, 9);
  EXPECT_EQ(found->value, 448.0F * 200.0F);
  EXPECT_EQ(find_unheld_values(weight)->first, 20);
}

/// llama_mha with one weight in FP8.
class Fp8Checkpoint : public ::testing::Test {
 protected:
  static constexpr const char* name = "model.layers.1.mlp.up_proj.weight";
  Fp8Checkpoint() : tensors_(read_raw_tensors(test_model("llama_mha") / "model.safetensors")) {
    for (RawTensor& tensor : tensors_) {
      if (tensor.name == name) {
        tensor.dtype = "F8_E4M3";
        tensor.bytes.assign(tensor.bytes.size() / 4, '\x38');
        shape_ = tensor.shape;
      }
    }
  }
  CheckpointFiles open(const std::string& quantization) {
    const std::string config = read_bytes(test_model("llama_mha") / "config.json");
    write_bytes(folder_ / "config.json",
                "{\"quantization_config\": " + quantization + "," + config.substr(1));
    write_raw_tensors(folder_ / "model.safetensors", tensors_);
    return CheckpointFiles::open(PosixFileSystem(), folder_.path());
  }
  void add(const std::string& suffix, std::vector<std::int64_t> shape, const std::vector<float>& values) {
    tensors_.push_back({std::string(name) + suffix, "F32", std::move(shape), floats(values)});
  }

  TemporaryFolder folder_;
  std::vector<RawTensor> tensors_;
  std::vector<std::int64_t> shape_;
};

TEST_F(Fp8Checkpoint, is_read_with_its_scales_and_without_what_else_stands_beside) {
  add("_scale_inv", {1, 1}, {0.5F});
  tensors_.push_back({"model.layers.1.mlp.up_proj.activation_scale", "F32", {}, floats({1.0F})});
  const CheckpointFiles plain = CheckpointFiles::open(PosixFileSystem(), test_model("llama_mha"));
  const CheckpointFiles read = open(R"({"quant_method": "fp8", "weight_block_size": [128, 128]})");
  EXPECT_EQ(read.tensors().size(), plain.tensors().size());
  const StoredTensor& weight = read.tensors().at(name);
  std::vector<float> values(static_cast<std::size_t>(shape_[0] * shape_[1]));
  dequantize_rows(weight, 0, shape_[0], values);
  EXPECT_EQ(values, std::vector<float>(values.size(), 0.5F));
  EXPECT_EQ(to_config_json(read.config(), {}, read.config_text(), "bf16").find("quantization"),
            std::string::npos);
}

TEST_F(Fp8Checkpoint, of_other_tools_is_read_too) {
  add("_scale", {shape_[0], 1}, std::vector<float>(static_cast<std::size_t>(shape_[0]), 2.0F));
  for (const char* form :
       {R"({"quant_method": "fbgemm_fp8"})", R"({"quant_method": "modelopt", "quant_algo": "FP8"})",
        R"({"quant_method": "compressed-tensors", "format": "float-quantized",
            "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}}})"}) {
    EXPECT_TRUE(open(form).tensors().at(name).scales.has_value()) << form;
  }
}

TEST_F(Fp8Checkpoint, is_refused_without_scales_and_in_fewer_bits) {
  expect_error([&] { open(R"({"quant_method": "fp8"})"); }, ErrorCode::missing_tensor, "_scale_inv");
  expect_error(
      [&] {
        open(R"({"quant_method": "compressed-tensors",
                 "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int"}}}})");
      },
      ErrorCode::unsupported, "compressed-tensors");
}

}  // namespace
}  // namespace cce
