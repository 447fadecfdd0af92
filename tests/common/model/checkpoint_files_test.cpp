#include "common/model/checkpoint/checkpoint_files.h"

#include <gtest/gtest.h>

#include "common/model/architecture.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/worker/model/raw_checkpoint.h"
#include "tests/worker/test_model.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

CheckpointFiles open(const fs::path& folder) {
  return CheckpointFiles::open(PosixFileSystem(), folder);
}

/// A copy of llama_mha whose tensors a test may change.
class PublishedWeights : public ::testing::Test {
 protected:
  PublishedWeights() : tensors_(read_raw_tensors(test_model("llama_mha") / "model.safetensors")) {
    fs::copy_file(test_model("llama_mha") / "config.json", folder_ / "config.json");
  }
  void save() { write_raw_tensors(folder_ / "model.safetensors", tensors_); }

  TemporaryFolder folder_;
  std::vector<RawTensor> tensors_;
};

TEST_F(PublishedWeights, names_may_lack_the_base_models_prefix) {
  const CheckpointFiles plain = open(test_model("llama_mha"));
  for (RawTensor& tensor : tensors_) {
    if (tensor.name.starts_with("model.")) tensor.name.erase(0, 6);
  }
  save();
  const CheckpointFiles bare = open(folder_.path());
  ASSERT_EQ(bare.tensors().size(), plain.tensors().size());
  for (const auto& [name, tensor] : plain.tensors()) {
    ASSERT_TRUE(bare.tensors().contains(name)) << name;
    EXPECT_TRUE(same_values(bare.tensors().at(name).values, tensor.values)) << name;
  }
}

TEST_F(PublishedWeights, an_error_names_the_tensor_as_the_file_does) {
  for (RawTensor& tensor : tensors_) {
    if (tensor.name.starts_with("model.")) tensor.name.erase(0, 6);
    if (tensor.name == "norm.weight") tensor.dtype = "I32";
  }
  save();
  expect_error([&] { open(folder_.path()); }, ErrorCode::unsupported, "model.safetensors, norm.weight");
}

TEST_F(PublishedWeights, a_snapshot_of_the_hub_clients_cache_is_links) {
  const fs::path snapshot = folder_ / "snapshots/0123abc";
  fs::create_directories(snapshot);
  fs::create_directories(folder_ / "blobs");
  int number = 0;
  for (const auto& entry : fs::directory_iterator(test_model("llama3_gqa"))) {
    const std::string blob = std::to_string(number++);
    fs::copy_file(entry.path(), folder_ / "blobs" / blob);
    fs::create_symlink("../../blobs/" + blob, snapshot / entry.path().filename());
  }
  EXPECT_EQ(open(snapshot).tensor_bytes(), open(test_model("llama3_gqa")).tensor_bytes());
  const std::string shard = "model-00002-of-00003.safetensors";
  fs::remove(snapshot / shard);
  fs::create_symlink("../../blobs/gone", snapshot / shard);
  expect_error([&] { open(snapshot); }, ErrorCode::missing_file, "a link to a file that is not there");
}

TEST_F(PublishedWeights, pointers_of_git_lfs_are_told_for_every_file) {
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer.model",
                           "vocab.json", "merges.txt", "chat_template.jinja"}) {
    save();
    const bool was_there = fs::exists(folder_ / name);
    const std::string before = was_there ? read_bytes(folder_ / name) : "";
    write_bytes(folder_ / name, pointer);
    const Error error = error_of([&] { open(folder_.path()); });
    EXPECT_THAT(error.where, ::testing::HasSubstr(name));
    EXPECT_THAT(error.found, ::testing::HasSubstr("Git LFS pointer"));
    EXPECT_THAT(error.remedy, ::testing::HasSubstr("git lfs pull"));
    fs::remove(folder_ / name);
    if (was_there) write_bytes(folder_ / name, before);
  }
}

TEST_F(PublishedWeights, a_web_page_under_a_files_name_is_told) {
  save();
  write_bytes(folder_ / "tokenizer.json", "<!DOCTYPE html>\n<html>");
  expect_error([&] { open(folder_.path()); }, ErrorCode::malformed_file, "a web page");
}

TEST_F(PublishedWeights, quantised_ones_are_told_by_their_method) {
  save();
  const std::string text = read_bytes(folder_ / "config.json");
  for (const auto& [section, words] : std::vector<std::pair<std::string, std::string>>{
           {R"({"quant_method": "gptq", "bits": 4})", "GPTQ"},
           {R"({"quant_method": "awq"})", "AWQ"},
           {R"({"quant_method": "bitsandbytes", "load_in_4bit": true})", "bitsandbytes"},
           {R"({"load_in_8bit": true})", "bitsandbytes"},
           {R"({"quant_method": "mxfp4"})", "MXFP4"},
           {R"({"quant_method": "newest"})", "newest"}}) {
    write_bytes(folder_ / "config.json", "{\"quantization_config\": " + section + "," + text.substr(1));
    const Error error = error_of([&] { open(folder_.path()); });
    EXPECT_EQ(error.code, ErrorCode::unsupported);
    EXPECT_THAT(error.found, ::testing::HasSubstr(words));
    EXPECT_THAT(error.remedy, ::testing::HasSubstr("before quantisation"));
  }
}

}  // namespace
}  // namespace cce
