#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "tests/common/temporary_folder.h"
#include "tests/worker/model/model_golden.h"
#include "tests/worker/model/new_checkpoint.h"
#include "tests/worker/model/raw_checkpoint.h"
#include "worker/model/checkpoint_writer.h"
#include "worker/model/model_runner.h"

// Which keys of config.json act, and which are left over from another version; when a head beside a tied
// embedding is one of its own. The oracle is transformers: scripts/conformance/config_key_goldens.py.

namespace cce {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr double loss_bound = 1e-5;  // relative

Json read_rows() {
  return Json::parse(read_bytes(fs::path(CCE_TESTS_DIR) / "goldens/config_keys.json"));
}

/// Every value with the other sign; any float dtype, little-endian.
std::string negated(std::string bytes, std::size_t element) {
  for (std::size_t i = element - 1; i < bytes.size(); i += element)
    bytes[i] = static_cast<char>(bytes[i] ^ 0x80);
  return bytes;
}

/// BF16 as F32: two zero bytes below each value.
std::string widened(const std::string& bytes) {
  std::string wide;
  for (std::size_t i = 0; i < bytes.size(); i += 2) wide += std::string(2, '\0') + bytes.substr(i, 2);
  return wide;
}

RawTensor head_for(const std::vector<RawTensor>& tensors, const std::string& kind) {
  for (const RawTensor& tensor : tensors) {
    if (tensor.name != "model.embed_tokens.weight") continue;
    RawTensor head = tensor;
    head.name = "lm_head.weight";
    if (kind.starts_with("negated")) head.bytes = negated(head.bytes, head.dtype == "F32" ? 4 : 2);
    if (kind.ends_with("wider")) {
      head.dtype = "F32";
      head.bytes = widened(head.bytes);
    }
    return head;
  }
  throw Error{.code = ErrorCode::missing_tensor, .where = kind, .found = {}, .expected = {}, .remedy = {}};
}

/// In a shard of its own where there is an index, else in the only file.
void add_head(const fs::path& folder, const std::string& kind) {
  std::vector<RawTensor> tensors;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() != ".safetensors") continue;
    const std::vector<RawTensor> some = read_raw_tensors(file.path());
    tensors.insert(tensors.end(), some.begin(), some.end());
  }
  const RawTensor head = head_for(tensors, kind);
  const fs::path index_path = folder / "model.safetensors.index.json";
  if (!fs::exists(index_path)) {
    tensors.push_back(head);
    write_raw_tensors(folder / "model.safetensors", tensors);
    return;
  }
  write_raw_tensors(folder / "head.safetensors", {head});
  Json index = Json::parse(read_bytes(index_path));
  index["weight_map"][head.name] = "head.safetensors";
  write_bytes(index_path, index.dump());
}

void make_folder(const fs::path& folder, const Json& row) {
  fs::copy(test_model(row.at("model")), folder, fs::copy_options::recursive);
  Json config = Json::parse(read_bytes(folder / "config.json"));
  config.update(row.at("changes"));
  write_bytes(folder / "config.json", config.dump());
  const std::string head = row.at("head");
  if (!head.empty()) add_head(folder, head);
}

double mean_loss(const Checkpoint& checkpoint) {
  constexpr TokenBatch batch{2, 14};
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < batch.tokens(); ++i) {
    ids.push_back(static_cast<std::int32_t>((7919 * i + 1) % checkpoint.config().vocabulary_size));
  }
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const EndWeights ends = checkpoint.end_weights(*backend, DType::f32);
  ModelRunner runner(*backend, checkpoint.config(), ends, checkpoint_layers(*backend, checkpoint, DType::f32),
                     DType::f32);
  const std::vector<float> losses = runner.token_losses(ids, batch);
  return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
}

class ConfigKeys : public ::testing::TestWithParam<Json> {
 protected:
  ConfigKeys() { make_folder(folder_ / "model", GetParam()); }
  void expect_golden(const Checkpoint& checkpoint) {
    const double expected = GetParam().at("loss");
    EXPECT_LE(std::abs(mean_loss(checkpoint) - expected), loss_bound * expected);
  }
  Checkpoint written(const Checkpoint& original, ExportFormat format) {
    write_new_checkpoint(files_, folder_ / "out", same_as(original), {.format = format, .dtype = DType::f32});
    return Checkpoint::open(files_, folder_ / "out");
  }

  TemporaryFolder folder_;
  PosixFileSystem files_;
};

TEST_P(ConfigKeys, act_as_in_transformers) {
  expect_golden(Checkpoint::open(files_, folder_ / "model"));
}

TEST_P(ConfigKeys, mean_the_same_in_results) {
  const Checkpoint original = Checkpoint::open(files_, folder_ / "model");
  for (const ExportFormat format : {ExportFormat::uniform, ExportFormat::custom}) {
    SCOPED_TRACE(format == ExportFormat::uniform ? "uniform" : "custom");
    const Checkpoint result = written(original, format);
    expect_golden(result);
    EXPECT_FALSE(result.has_own_head()) << "a result's config.json says what its weights are";
    EXPECT_EQ(result.config().tied_embeddings, original.config().tied_embeddings);
    EXPECT_EQ(result.config().layers, original.config().layers);
  }
}

/// A custom folder written plain again.
TEST_P(ConfigKeys, survive_both_formats) {
  const Checkpoint original = Checkpoint::open(files_, folder_ / "model");
  const Checkpoint custom = written(original, ExportFormat::custom);
  fs::rename(folder_ / "out", folder_ / "custom");
  const Checkpoint moved = Checkpoint::open(files_, folder_ / "custom");
  expect_golden(written(moved, ExportFormat::uniform));
}

INSTANTIATE_TEST_SUITE_P(Rows, ConfigKeys, ::testing::ValuesIn(read_rows().get<std::vector<Json>>()),
                         [](const auto& row) { return row.param.at("name").template get<std::string>(); });

TEST(OwnHead, of_another_shape_is_refused_by_both_names) {
  const TemporaryFolder folder;
  make_folder(folder / "model", {{"model", "stories260K"}, {"changes", Json::object()}, {"head", "same"}});
  std::vector<RawTensor> tensors = read_raw_tensors(folder / "model/model.safetensors");
  tensors.back().shape = {256, 128};
  write_raw_tensors(folder / "model/model.safetensors", tensors);
  try {
    Checkpoint::open(PosixFileSystem(), folder / "model");
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::shape_mismatch);
    EXPECT_NE(describe(error).find("lm_head.weight: found [256, 128], expected [512, 64]"), std::string::npos)
        << describe(error);
    EXPECT_NE(error.expected.find("model.embed_tokens.weight"), std::string::npos);
  }
}

}  // namespace
}  // namespace cce
