#include "common/model/checkpoint/foreign_folder.h"

#include <gtest/gtest.h>

#include "common/model/checkpoint/checkpoint_files.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/worker/model/raw_checkpoint.h"

namespace cce {
namespace {

constexpr const char* config =
    R"({"model_type": "llama", "hidden_size": 8, "vocab_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 16})";

Error refusal_of(const std::filesystem::path& folder) {
  return error_of([&] { CheckpointFiles::open(PosixFileSystem(), folder); });
}

struct Foreign {
  const char* name;  ///< of the case
  std::vector<std::string> files;
  const char* found;
  const char* remedy;
};

class ForeignFolder : public ::testing::TestWithParam<Foreign> {};

TEST_P(ForeignFolder, says_what_it_is_and_what_mends_it) {
  const TemporaryFolder folder;
  for (const std::string& file : GetParam().files) {
    write_bytes(folder / file, file == "config.json" ? config : "x");
  }
  const Error error = refusal_of(folder.path());
  EXPECT_EQ(exit_code(error.code), 2);
  EXPECT_THAT(error.found, ::testing::HasSubstr(GetParam().found));
  EXPECT_THAT(error.remedy, ::testing::HasSubstr(GetParam().remedy));
  for (const char* placeholder : {"DIR", "FILE"}) {
    EXPECT_THAT(error.remedy, ::testing::Not(::testing::HasSubstr(placeholder)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ForeignFolder,
    ::testing::Values(
        Foreign{"pytorch", {"config.json", "pytorch_model.bin"}, "pytorch_model.bin", "save_pretrained"},
        Foreign{"pytorch_shards",
                {"config.json", "pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"},
                "PyTorch weights",
                "save_pretrained"},
        Foreign{"pytorch_index",
                {"config.json", "pytorch_model.bin.index.json"},
                "without their shards",
                "all shards"},
        Foreign{"gguf", {"model-q4.gguf"}, "a GGUF file (model-q4.gguf)", "gguf_file='model-q4.gguf'"},
        Foreign{"gguf_with_config", {"config.json", "a.gguf"}, "a GGUF file", "hf download"},
        Foreign{"adapter",
                {"adapter_config.json", "adapter_model.safetensors"},
                "a LoRA adapter",
                "merge_and_unload"},
        Foreign{"adapter_beside",
                {"config.json", "model.safetensors", "adapter_config.json"},
                "beside it",
                "merge_and_unload"},
        Foreign{"meta", {"params.json", "consolidated.00.pth"}, "Meta", "--exclude 'original/*'"},
        Foreign{"mistral",
                {"params.json", "consolidated.safetensors"},
                "maker's own files",
                "--exclude 'consolidated*'"},
        Foreign{"no_index",
                {"config.json", "model-00001-of-00002.safetensors"},
                "without model.safetensors.index.json",
                "model.safetensors.index.json"},
        Foreign{
            "other_name", {"config.json", "weights.safetensors"}, "weights.safetensors", "model.safetensors"},
        Foreign{"tensorflow", {"config.json", "tf_model.h5"}, "TensorFlow", "from_tf"},
        Foreign{"flax", {"config.json", "flax_model.msgpack"}, "Flax", "from_flax"},
        Foreign{"checkpoint_of_torch",
                {"config.json", "model.pt"},
                "PyTorch weights (model.pt)",
                "save_pretrained"},
        Foreign{"no_config", {"model.safetensors", "notes.txt"}, "without config.json", "config.json"},
        Foreign{"nothing", {}, "without config.json", "Give the folder"},
        Foreign{"config_only", {"config.json"}, "neither model.safetensors nor", "Download the model again"}),
    [](const auto& foreign) { return std::string(foreign.param.name); });

TEST(ForeignPath, a_hub_name_is_told_from_a_mistyped_folder) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal_of(folder / "org-1/Model_2.5").remedy,
              ::testing::HasSubstr("hf download org-1/Model_2.5 --local-dir " +
                                   (folder / "org-1/Model_2.5").string()));
  const Error mistyped = refusal_of(folder / "model");
  EXPECT_EQ(mistyped.found, "no such folder");
  EXPECT_THAT(mistyped.remedy, ::testing::HasSubstr("--model"));
}

TEST(ForeignPath, a_file_is_no_folder) {
  const TemporaryFolder folder;
  write_bytes(folder / "model.safetensors", "x");
  write_bytes(folder / "model.gguf", "x");
  EXPECT_THAT(refusal_of(folder / "model.safetensors").remedy, ::testing::HasSubstr("folder that holds it"));
  EXPECT_THAT(refusal_of(folder / "model.gguf").found, ::testing::HasSubstr("GGUF"));
}

TEST(ForeignPath, the_hub_clients_cache_names_its_snapshot) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "snapshots/0123abc");
  EXPECT_THAT(refusal_of(folder.path()).remedy, ::testing::HasSubstr("/snapshots/0123abc"));
}

TEST(UnknownTensor, of_adapters_and_quantisation_is_told) {
  EXPECT_THAT(remedy_for_unknown_tensor("model.layers.0.self_attn.q_proj.lora_A.weight"),
              ::testing::HasSubstr("merge_and_unload"));
  EXPECT_THAT(remedy_for_unknown_tensor("model.layers.0.self_attn.q_proj.qweight"),
              ::testing::HasSubstr("before quantisation"));
  EXPECT_EQ(remedy_for_unknown_tensor("model.layers.0.self_attn.q_norm.weight"), "");
}

}  // namespace
}  // namespace cce
