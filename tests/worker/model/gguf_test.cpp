#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>

#include "common/base/digest.h"
#include "common/base/json_reader.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/worker/model/model_golden.h"
#include "tests/worker/model/new_checkpoint.h"
#include "worker/model/formats/format_writer.h"
#include "worker/model/gguf/gguf_file.h"
#include "worker/model/gguf/gguf_model.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

/// A test model in a folder of its own, with the tokenizer of scripts/conformance/gguf_goldens.py.
class Gguf : public ::testing::Test {
 protected:
  fs::path make_original(const std::string& name) {
    const fs::path original = folder_ / name;
    fs::copy(test_model(name), original, fs::copy_options::recursive);
    fs::copy_file(fs::path(CCE_TESTS_DIR) / "data/tokenizers/tiny.json", original / "tokenizer.json");
    files_.write_atomic(
        original / "tokenizer_config.json",
        R"({"add_prefix_space": false, "eos_token": "<|eot_id|>", "chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}"})");
    return original;
  }

  fs::path write(const std::string& name, DType dtype) {
    const Checkpoint original = Checkpoint::open(files_, make_original(name));
    write_new_checkpoint(files_, folder_ / "out", same_as(original),
                         {.format = ExportFormat::gguf, .dtype = dtype});
    return folder_ / "out";
  }

  TemporaryFolder folder_;
  PosixFileSystem files_;
};

class GgufOfModel : public Gguf, public ::testing::WithParamInterface<const char*> {};

void expect_value(const GgufValue& found, const Json& expected, const std::string& key) {
  if (const auto* number = std::get_if<float>(&found)) {
    EXPECT_FLOAT_EQ(*number, expected.get<float>()) << key;
  } else {
    std::visit([&](const auto& value) { EXPECT_EQ(Json(value), expected) << key; }, found);
  }
}

TEST_P(GgufOfModel, holds_what_the_converter_of_llama_cpp_writes) {
  const fs::path path = write(GetParam(), DType::f16) / "model.gguf";
  const MappedFile file = files_.map_readonly(path);
  const GgufContents contents = read_gguf(file.bytes(), path.string());
  const fs::path golden_path = fs::path(CCE_TESTS_DIR) / "goldens/gguf.json";
  const Json golden = parse_json(files_.read_text(golden_path, 1 << 20), golden_path.string()).at(GetParam());
  for (const auto& [key, expected] : golden.at("keys").items()) {
    ASSERT_TRUE(contents.metadata.contains(key)) << key;
    expect_value(contents.metadata.at(key), expected, key);
  }
  ASSERT_EQ(contents.tensors.size(), golden.at("tensors").size());
  const std::map<std::string, GgufType> types = {{"F32", GgufType::f32}, {"F16", GgufType::f16}};
  for (const auto& [name, expected] : golden.at("tensors").items()) {
    const GgufContents::Entry& entry = contents.tensor(name);
    EXPECT_EQ(entry.tensor.type, types.at(expected.at(0))) << name;
    const std::vector<std::int64_t> reversed(entry.tensor.shape.rbegin(), entry.tensor.shape.rend());
    EXPECT_EQ(Json(reversed), expected.at(1)) << name;
    if (name != gguf_rope_factors) {  // computed in f32 there, in f64 here
      EXPECT_EQ(digest_of_bytes(entry.bytes), expected.at(2)) << name;
    }
  }
}

TEST_P(GgufOfModel, computes_what_transformers_does) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const ReadBack read =
      writer_of(ExportFormat::gguf).read_back(*backend, files_, write(GetParam(), DType::f32), DType::f32);
  ModelRunner runner(*backend, read.config, read.ends, read.layers, DType::f32);
  const ModelGolden golden(GetParam());
  const HostMatrix expected = golden.matrix("logits");
  const OwnedMatrix logits = runner.logits(golden.tokens(), golden.batch());
  const HostMatrix found = downloaded(*backend, logits.view());
  ASSERT_EQ(found.values.size(), expected.values.size());
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    EXPECT_NEAR(found.values[i], expected.values[i], 2e-4) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GgufOfModel,
                         ::testing::Values("llama3_gqa", "llama_biases", "qwen2_bias", "qwen3"),
                         [](const auto& row) { return std::string(row.param); });

TEST(GgufFile, every_kind_of_value_is_read_as_it_was_written) {
  const GgufMetadata metadata = {{"number", std::uint32_t{7}},
                                 {"real", 0.5F},
                                 {"flag", true},
                                 {"text", std::string("é")},
                                 {"texts", std::vector<std::string>{"a", ""}},
                                 {"numbers", std::vector<std::int32_t>{-1, 2}},
                                 {"reals", std::vector<float>{1.5F}}};
  const std::vector<GgufTensor> tensors = {{"a", GgufType::f32, {3}}, {"b", GgufType::f16, {2, 5}}};
  std::string bytes = write_gguf_header(metadata, tensors);
  for (const GgufTensor& tensor : tensors) {
    bytes.append(static_cast<std::size_t>(tensor.bytes()), 'x');
    bytes.append(static_cast<std::size_t>(gguf_padding(tensor.bytes())), '\0');
  }
  const GgufContents contents = read_gguf(std::as_bytes(std::span(bytes)), "file");
  ASSERT_EQ(contents.metadata.size(), metadata.size());
  for (const auto& [key, value] : metadata) EXPECT_EQ(contents.metadata.at(key), value) << key;
  EXPECT_EQ(contents.tensor("b").tensor.shape, (std::vector<std::int64_t>{2, 5}));
  EXPECT_EQ(contents.tensor("b").bytes.size(), 20U);
  // Every shorter file is refused, none read beyond its end.
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const std::string cut = bytes.substr(0, length);
    EXPECT_THROW(read_gguf(std::as_bytes(std::span(cut)), "file"), Error) << length;
  }
}

TEST(GgufFile, rows_of_pairs_come_back_as_they_were) {
  ModelConfig config;
  config.head_dim = 6;
  LayerShape shape;
  shape.kv_groups = 1;
  shape.queries_per_group = 2;
  shape.qk_dim = shape.vo_dim = 6;
  config.layers = {shape};
  std::vector<std::byte> rows(12);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::byte>(i);
  const std::vector<std::byte> before = rows;
  order_rows_for_gguf(config, TensorRole::q, 1, rows);
  const std::vector<int> expected = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11};
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(static_cast<int>(rows[i]), expected[i]) << i;
  order_rows_from_gguf(config, TensorRole::q, 1, rows);
  EXPECT_EQ(rows, before);
}

TEST_F(Gguf, a_folder_without_a_tokenizer_is_refused_by_name) {
  const fs::path folder = test_model("qwen3");
  expect_error([&] { read_gguf_vocabulary(files_, folder, 61); }, ErrorCode::missing_file, "tokenizer.json");
}

TEST_F(Gguf, tokenizers_without_a_name_in_llama_cpp_are_refused) {
  for (const char* name : {"unknown.json", "stripping.json"}) {
    const fs::path folder = folder_ / name;
    fs::create_directory(folder);
    fs::copy_file(fs::path(CCE_TESTS_DIR) / "data/tokenizers" / name, folder / "tokenizer.json");
    expect_error([&] { read_gguf_vocabulary(files_, folder, 512); }, ErrorCode::unsupported, "pre_tokenizer");
  }
}

TEST_F(Gguf, what_would_change_a_text_before_it_is_split_is_refused) {
  const fs::path path = make_original("qwen3") / "tokenizer.json";
  Json tokenizer = parse_json(files_.read_text(path, 1 << 20), path.string());
  tokenizer["normalizer"] = {{"type", "Lowercase"}};
  files_.write_atomic(path, tokenizer.dump());
  expect_error([&] { read_gguf_vocabulary(files_, path.parent_path(), 61); }, ErrorCode::unsupported,
               "Lowercase");
  tokenizer["normalizer"] = {{"type", "NFC"}};
  files_.write_atomic(path, tokenizer.dump());
  EXPECT_NO_THROW(read_gguf_vocabulary(files_, path.parent_path(), 61));
}

TEST_F(Gguf, a_tokenizer_with_values_of_other_types_is_refused_by_path) {
  const fs::path path = make_original("qwen3") / "tokenizer.json";
  const Json tokenizer = parse_json(files_.read_text(path, 1 << 20), path.string());
  const std::pair<const char*, Json> rows[] = {{"/model/vocab/a", "7"},
                                               {"/added_tokens/0/id", nullptr},
                                               {"/model/merges/0", Json::array({"a"})},
                                               {"/model/merges/0", 3}};
  for (const auto& [place, value] : rows) {
    Json changed = tokenizer;
    changed[Json::json_pointer(place)] = value;
    files_.write_atomic(path, changed.dump());
    EXPECT_THROW(read_gguf_vocabulary(files_, path.parent_path(), 61), Error) << place;
  }
}

TEST_F(Gguf, a_token_beyond_the_embedding_is_refused) {
  const fs::path folder = make_original("qwen3");
  expect_error([&] { read_gguf_vocabulary(files_, folder, 57); }, ErrorCode::out_of_range, "below 57");
}

}  // namespace
}  // namespace cce
