#include "worker/model/checkpoint_writer.h"

#include <string>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/model/model_config_write.h"
#include "common/model/safetensors_header.h"
#include "worker/model/companion_files.h"
#include "worker/model/element_conversion.h"
#include "worker/model/formats/format_writer.h"
#include "worker/model/formats/written_tensors.h"

namespace cce {
namespace {

using Path = std::filesystem::path;

struct Shard {
  std::string file_name;
  std::vector<WrittenTensor> tensors;
  std::int64_t bytes = 0;
};

std::vector<Shard> plan_shards(std::vector<WrittenTensor> tensors, std::int64_t max_shard_bytes) {
  std::vector<Shard> shards(1);
  for (WrittenTensor& tensor : tensors) {
    const bool is_full = shards.back().bytes + tensor.bytes > max_shard_bytes;
    if (is_full && !shards.back().tensors.empty()) shards.emplace_back();
    shards.back().bytes += tensor.bytes;
    shards.back().tensors.push_back(std::move(tensor));
  }
  const auto number = [](std::size_t value) {
    const std::string digits = std::to_string(value);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  for (std::size_t i = 0; i < shards.size(); ++i) {
    shards[i].file_name = shards.size() == 1
                              ? "model.safetensors"
                              : "model-" + number(i + 1) + "-of-" + number(shards.size()) + ".safetensors";
  }
  return shards;
}

void write_shard(FileSystem& files, const Path& path, const Shard& shard, WrittenTensorReader& reader) {
  std::vector<TensorEntry> entries;
  for (const WrittenTensor& tensor : shard.tensors) {
    entries.push_back(
        {.name = tensor.spec.name, .dtype = safetensors_name(tensor.dtype), .shape = tensor.spec.shape});
  }
  const std::unique_ptr<FileWriter> writer = files.open_writer(path, WriteMode::create_or_replace);
  writer->append(std::string_view(write_safetensors_header(entries)));
  for (const WrittenTensor& tensor : shard.tensors) writer->append(reader.read(tensor));
  writer->sync();
  writer->close();
}

void write_tensors(FileSystem& files, const Path& folder, const CheckpointContents& contents,
                   const CheckpointWriteSettings& settings) {
  WrittenModel written = written_model(contents.config, settings.format, stored_as_asked, settings.dtype);
  const std::vector<Shard> shards = plan_shards(std::move(written.tensors), settings.max_shard_bytes);
  WrittenTensorReader reader(contents);
  ShardIndex index;
  std::int64_t total_bytes = 0;
  for (const Shard& shard : shards) {
    write_shard(files, folder / shard.file_name, shard, reader);
    for (const WrittenTensor& tensor : shard.tensors)
      index.file_of_tensor[tensor.spec.name] = shard.file_name;
    total_bytes += shard.bytes;
  }
  if (shards.size() > 1) {
    write_text_file(files, folder / "model.safetensors.index.json", to_json(index, total_bytes));
  }
}

}  // namespace

void write_text_file(FileSystem& files, const Path& path, std::string_view text) {
  const std::unique_ptr<FileWriter> writer = files.open_writer(path, WriteMode::create_or_replace);
  writer->append(text);
  writer->sync();
  writer->close();
}

void write_hugging_face(FileSystem& files, const Path& folder, const CheckpointContents& contents,
                        const CheckpointWriteSettings& settings) {
  const std::string config_json = to_config_json(
      contents.config, settings.format, contents.original.config_text(), std::string(name(settings.dtype)));
  write_text_file(files, folder / "config.json", config_json);
  write_tensors(files, folder, contents, settings);
  const Path original = contents.original.folder();
  copy_files(files, companion_files(files, original), original, folder);
}

void write_checkpoint(FileSystem& files, const Path& folder, const CheckpointContents& contents,
                      const CheckpointWriteSettings& settings) {
  writer_of(settings.format).write(files, folder, contents, settings);
}

}  // namespace cce
