#include "worker/model/companion_files.h"

#include <gmock/gmock.h>

#include "tests/common/temporary_folder.h"
#include "tests/worker/model/raw_checkpoint.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

class CompanionFiles : public ::testing::Test {
 protected:
  void write(const std::string& name) {
    fs::create_directories((folder_ / name).parent_path());
    write_bytes(folder_ / name, "content of " + name);
  }
  TemporaryFolder folder_;
  PosixFileSystem files_;
};

TEST_F(CompanionFiles, of_every_kind_travel_and_nothing_of_the_old_weights) {
  const std::vector<std::string> wanted = {"LICENSE",
                                           "LICENSE.txt",
                                           "License.md",
                                           "MODEL_LICENSE",
                                           "NOTICE",
                                           "Notice.txt",
                                           "THIRD_PARTY_NOTICES",
                                           "USE_POLICY.md",
                                           "added_tokens.json",
                                           "additional_chat_templates/tool_use.jinja",
                                           "chat_template.jinja",
                                           "chat_template.json",
                                           "generation_config.json",
                                           "merges.txt",
                                           "preprocessor_config.json",
                                           "processor_config.json",
                                           "qwen.tiktoken",
                                           "special_tokens_map.json",
                                           "spiece.model",
                                           "tekken.json",
                                           "tokenization_own.py",
                                           "tokenizer.json",
                                           "tokenizer.model",
                                           "tokenizer.model.v3",
                                           "tokenizer_config.json",
                                           "video_preprocessor_config.json",
                                           "vocab.json",
                                           "vocab.txt"};
  for (const std::string& name : wanted) write(name);
  for (const char* name : {"config.json",
                           "model.safetensors",
                           "model-00001-of-00002.safetensors",
                           "model.safetensors.index.json",
                           "pytorch_model.bin",
                           "pytorch_model.bin.index.json",
                           "README.md",
                           "quantize_config.json",
                           "training_args.bin",
                           "trainer_state.json",
                           "optimizer.pt",
                           "model.onnx",
                           "tf_model.h5",
                           "modeling_own.py",
                           ".gitattributes",
                           "onnx/tokenizer.json",
                           "original/tokenizer.model",
                           "original/LICENSE",
                           "text.tokens.u16",
                           "plan.json"}) {
    write(name);
  }
  std::vector<std::string> sorted = wanted;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(companion_files(files_, folder_.path()), sorted);

  const TemporaryFolder copy;
  copy_files(files_, companion_files(files_, folder_.path()), folder_.path(), copy.path());
  for (const std::string& name : wanted) EXPECT_EQ(read_bytes(copy / name), "content of " + name);
  EXPECT_FALSE(fs::exists(copy / "config.json"));
}

TEST_F(CompanionFiles, a_link_travels_as_its_file_and_a_dead_one_not) {
  write("blobs/1");
  fs::create_symlink("blobs/1", folder_ / "tokenizer.json");
  fs::create_symlink("blobs/2", folder_ / "LICENSE");
  const TemporaryFolder copy;
  copy_files(files_, companion_files(files_, folder_.path()), folder_.path(), copy.path());
  EXPECT_FALSE(fs::is_symlink(copy / "tokenizer.json"));
  EXPECT_EQ(read_bytes(copy / "tokenizer.json"), "content of blobs/1");
  EXPECT_FALSE(fs::exists(copy / "LICENSE"));
}

TEST_F(CompanionFiles, the_licence_is_read_off_the_card) {
  const auto read = [&](const std::string& card) {
    write_bytes(folder_ / "README.md", card);
    return read_model_license(files_, folder_.path());
  };
  EXPECT_EQ(read_model_license(files_, folder_.path()).license, "");
  EXPECT_EQ(read("---\nlanguage: en\nlicense: apache-2.0\n---\n# A\nlicense: mit\n").license, "apache-2.0");
  EXPECT_EQ(read("---\r\nlicense: 'mit'\r\n---\r\n").license, "mit");
  EXPECT_EQ(read("---\nlicense:\n- mit\n- \"gpl\"\ntags:\n- x\n---\n").license, "mit, gpl");
  const ModelLicense other =
      read("---\nlicense: other\nlicense_name: \"own terms\"\nlicense_link: LICENSE\n---\n");
  EXPECT_EQ(other.license + "|" + other.name + "|" + other.link, "other|own terms|LICENSE");
  EXPECT_EQ(read("# license: mit\n").license, "");
}

}  // namespace
}  // namespace cce
