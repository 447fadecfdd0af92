#include "worker/model/checkpoint_writer.h"

#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/model/model_config_write.h"
#include "common/model/safetensors_header.h"
#include "common/model/weight_values.h"
#include "worker/model/companion_files.h"
#include "worker/model/element_conversion.h"
#include "worker/model/formats/format_writer.h"

namespace cce {
namespace {

using Path = std::filesystem::path;

/// One tensor of the new checkpoint: its place in the model that is written, and the layer it comes from.
struct PlannedTensor {
  TensorSpec spec;
  std::int64_t source_layer = -1;
  std::int64_t bytes = 0;
};

struct Shard {
  std::string file_name;
  std::vector<PlannedTensor> tensors;
  std::int64_t bytes = 0;
};

std::vector<Shard> plan_shards(const ModelConfig& written, const std::vector<std::int64_t>& source_layers,
                               const CheckpointWriteSettings& settings) {
  const auto element = static_cast<std::int64_t>(size_in_bytes(settings.dtype));
  std::vector<Shard> shards(1);
  for (TensorSpec& spec : all_tensors(written)) {
    PlannedTensor tensor{.spec = std::move(spec), .bytes = element};
    for (const std::int64_t extent : tensor.spec.shape) tensor.bytes *= extent;
    if (tensor.spec.layer >= 0) {
      tensor.source_layer = source_layers[static_cast<std::size_t>(tensor.spec.layer)];
    }
    const bool is_full = shards.back().bytes + tensor.bytes > settings.max_shard_bytes;
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

/// Gives each tensor's bytes in the dtype that is written, asking for each layer once.
class TensorReader {
 public:
  TensorReader(const CheckpointContents& contents, DType dtype) : contents_(contents), dtype_(dtype) {}

  /// Errors: out_of_range for a number that the dtype rounds to infinity, verification_failed for what was
  /// not finite before.
  std::span<const std::byte> read(const PlannedTensor& tensor) {
    fill(tensor);
    const StoredValues values{bytes_, safetensors_name(dtype_)};
    if (const std::optional<UnheldValues> found = find_unheld_values(values)) refuse_value(tensor, *found);
    return bytes_;
  }

 private:
  void fill(const PlannedTensor& tensor) {
    const TensorRole role = tensor.spec.role;
    bytes_.resize(static_cast<std::size_t>(tensor.bytes));
    if (tensor.source_layer < 0) {
      if (role == TensorRole::final_norm && contents_.final_norm) {
        convert(*contents_.final_norm, tensor);
      } else {
        contents_.original.read(role, -1, dtype_, bytes_);
      }
      return;
    }
    if (tensor.source_layer != current_) {
      layer_ = contents_.layer(tensor.source_layer);
      current_ = tensor.source_layer;
      const LayerShape& expected = contents_.config.layers[static_cast<std::size_t>(current_)];
      if (layer_.shape != expected) refuse(tensor, "another shape than the model's config says");
    }
    convert(part_view(layer_, role), tensor);
  }

  void convert(const HostMatrix& source, const PlannedTensor& tensor) {
    const auto elements = static_cast<std::size_t>(tensor.bytes) / size_in_bytes(dtype_);
    const std::vector<std::int64_t>& shape = tensor.spec.shape;
    const std::int64_t rows = shape.size() == 2 ? shape[0] : 1;
    if (source.values.size() != elements || source.rows != rows) {
      refuse(tensor, std::to_string(source.rows) + " × " + std::to_string(source.cols));
    }
    convert_elements(std::as_bytes(std::span(source.values)), DType::f32, bytes_, dtype_);
  }
  [[noreturn]] void refuse_value(const PlannedTensor& tensor, const UnheldValues& found) const {
    const std::string place = " at element " + std::to_string(found.first) + ", " +
                              std::to_string(found.count) +
                              (found.count == 1 ? " such value" : " such values");
    if (std::isinf(found.value) && dtype_ != DType::f32) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = tensor.spec.name,
                  .found = "a number that is infinite in " + std::string(name(dtype_)) + place,
                  .expected = "numbers that export.dtype holds",
                  .remedy = "Write the result in f32: cce export JOB --dtype f32"};
    }
    throw Error{.code = ErrorCode::verification_failed,
                .where = tensor.spec.name,
                .found = std::string(std::isnan(found.value) ? "NaN" : "infinity") + place,
                .expected = "finite weights in the result",
                .remedy = "Report this with the job directory: the weights that were read are finite"};
  }
  [[noreturn]] static void refuse(const PlannedTensor& tensor, const std::string& found) {
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = tensor.spec.name,
                .found = found,
                .expected = "the shape in the model's config",
                .remedy = {}};
  }

  const CheckpointContents& contents_;
  DType dtype_;
  std::int64_t current_ = -1;
  HostLayer layer_;
  std::vector<std::byte> bytes_;
};

void write_shard(FileSystem& files, const Path& path, const Shard& shard, DType dtype, TensorReader& reader) {
  std::vector<TensorEntry> entries;
  for (const PlannedTensor& tensor : shard.tensors) {
    entries.push_back(
        {.name = tensor.spec.name, .dtype = safetensors_name(dtype), .shape = tensor.spec.shape});
  }
  const std::unique_ptr<FileWriter> writer = files.open_writer(path, WriteMode::create_or_replace);
  writer->append(std::string_view(write_safetensors_header(entries)));
  for (const PlannedTensor& tensor : shard.tensors) writer->append(reader.read(tensor));
  writer->sync();
  writer->close();
}

void write_tensors(FileSystem& files, const Path& folder, const CheckpointContents& contents,
                   const CheckpointWriteSettings& settings) {
  std::vector<std::int64_t> source_layers(contents.config.layers.size());
  std::iota(source_layers.begin(), source_layers.end(), 0);
  ModelConfig written = contents.config;
  if (rules_of(settings.format).drops_empty_layers) {
    source_layers.clear();
    written = drop_empty_layers(contents.config, &source_layers);
  }
  const std::vector<Shard> shards = plan_shards(written, source_layers, settings);
  TensorReader reader(contents, settings.dtype);
  ShardIndex index;
  std::int64_t total_bytes = 0;
  for (const Shard& shard : shards) {
    write_shard(files, folder / shard.file_name, shard, settings.dtype, reader);
    for (const PlannedTensor& tensor : shard.tensors)
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
  copy_companion_files(files, contents.original.folder(), folder);
}

void write_checkpoint(FileSystem& files, const Path& folder, const CheckpointContents& contents,
                      const CheckpointWriteSettings& settings) {
  writer_of(settings.format).write(files, folder, contents, settings);
}

}  // namespace cce
