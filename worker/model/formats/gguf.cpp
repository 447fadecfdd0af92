#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "common/model/formats/format.h"
#include "common/model/formats/gguf_vocabulary.h"
#include "worker/model/companion_files.h"
#include "worker/model/element_conversion.h"
#include "worker/model/formats/format_writer.h"
#include "worker/model/formats/written_tensors.h"
#include "worker/model/gguf/gguf_file.h"
#include "worker/model/gguf/gguf_model.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr const char* file_name = "model.gguf";

DType stored_dtype(PartKind kind, DType asked) {
  return kind == PartKind::matrix ? asked : DType::f32;
}

void append_padded(FileWriter& writer, std::span<const std::byte> bytes) {
  writer.append(bytes);
  const std::vector<std::byte> zeros(
      static_cast<std::size_t>(gguf_padding(static_cast<std::int64_t>(bytes.size()))));
  writer.append(std::span<const std::byte>(zeros));
}

/// The factors of rotary pairs, where there are some, then the tensors in the order of computing.
void write(FileSystem& files, const fs::path& folder, const CheckpointContents& contents,
           const CheckpointWriteSettings& settings) {
  rules_of(settings.format).check(contents.config);
  const WrittenModel model = written_model(contents.config, settings.format, stored_dtype, settings.dtype);
  const std::vector<float> factors = gguf_rope_factors_of(model.config);
  std::vector<GgufTensor> table;
  if (!factors.empty()) {
    table.push_back({gguf_rope_factors, GgufType::f32, {static_cast<std::int64_t>(factors.size())}});
  }
  for (const WrittenTensor& tensor : model.tensors) {
    table.push_back({gguf_tensor_name(tensor.spec.role, tensor.spec.layer),
                     gguf_type(kind_of(tensor.spec.role), tensor.dtype), tensor.spec.shape});
  }
  const fs::path original = contents.original.folder();
  const GgufVocabulary vocabulary = read_gguf_vocabulary(files, original, model.config.vocabulary_size);
  const std::string name = fs::weakly_canonical(original).filename().string();

  const std::unique_ptr<FileWriter> writer =
      files.open_writer(folder / file_name, WriteMode::create_or_replace);
  writer->append(std::string_view(
      write_gguf_header(gguf_metadata(model.config, vocabulary, name, settings.dtype), table)));
  if (!factors.empty()) append_padded(*writer, std::as_bytes(std::span(factors)));
  WrittenTensorReader reader(contents);
  for (const WrittenTensor& tensor : model.tensors) {
    const std::span<std::byte> bytes = reader.read(tensor);
    const std::vector<std::int64_t>& shape = tensor.spec.shape;
    const std::int64_t row_bytes =
        shape.size() == 2 ? tensor.bytes / shape.front() : tensor.bytes / shape.back();
    order_rows_for_gguf(model.config, tensor.spec.role, row_bytes, bytes);
    append_padded(*writer, bytes);
  }
  writer->sync();
  writer->close();
  copy_files(files, terms_files(files, original), original, folder);
}

/// The file's numbers in our order, as f32.
HostMatrix read_matrix(const GgufContents& contents, const ModelConfig& config, TensorRole role,
                       std::int64_t layer) {
  const GgufContents::Entry& entry = contents.tensor(gguf_tensor_name(role, layer));
  const std::vector<std::int64_t>& shape = entry.tensor.shape;
  HostMatrix matrix(shape.size() == 2 ? shape.front() : 1, shape.back());
  const DType dtype = entry.tensor.type == GgufType::f32   ? DType::f32
                      : entry.tensor.type == GgufType::f16 ? DType::f16
                                                           : DType::bf16;
  const std::span<std::byte> values = std::as_writable_bytes(std::span(matrix.values));
  convert_elements(entry.bytes, dtype, values, DType::f32);
  const std::int64_t row_elements = shape.size() == 2 ? shape.back() : 1;
  order_rows_from_gguf(config, role, row_elements * static_cast<std::int64_t>(sizeof(float)), values);
  return matrix;
}

OwnedMatrix upload(Backend& backend, const HostMatrix& matrix, DType dtype) {
  std::vector<std::byte> converted(matrix.values.size() * size_in_bytes(dtype));
  convert_elements(std::as_bytes(std::span(matrix.values)), DType::f32, converted, dtype);
  OwnedMatrix result = backend.matrix(dtype, matrix.rows, matrix.cols);
  backend.upload(ConstMatrix{converted.data(), dtype, matrix.rows, matrix.cols, matrix.cols}, result.view());
  return result;
}

/// A mapped file and what its layers are packed into.
struct OpenFile {
  MappedFile file;
  GgufContents contents;
  ModelConfig config;
  Buffer packed;
};

std::span<const std::byte> pack_layer(Backend& backend, OpenFile& open, std::int64_t layer,
                                      DType compute_dtype) {
  const LayerShape& shape = open.config.layers[static_cast<std::size_t>(layer)];
  HostLayer host = make_host_layer(shape, open.config.hidden_size);
  for (const LayerPart& part : layer_parts()) {
    if (has_part(shape, part)) {
      part_view(host, part.role) = read_matrix(open.contents, open.config, part.role, layer);
    }
  }
  const std::size_t bytes = packed_layer_bytes(shape, open.config.hidden_size, compute_dtype);
  if (open.packed.bytes() < bytes) {
    open.packed = backend.allocate(bytes);
  }
  const std::span<std::byte> block(static_cast<std::byte*>(open.packed.data()), bytes);
  pack_host_layer(backend, host, open.config.hidden_size, compute_dtype, block);
  return block;
}

ReadBack read_back(Backend& backend, const FileSystem& files, const fs::path& folder, DType compute_dtype) {
  const auto open = std::make_shared<OpenFile>();
  const fs::path path = folder / file_name;
  open->file = files.map_readonly(path);
  open->contents = read_gguf(open->file.bytes(), path.string());
  open->config = gguf_config(open->contents);
  ReadBack result{.owner = open, .config = open->config, .ends = {}, .layers = {}, .tensor_bytes = 0};
  const auto end = [&](TensorRole role, DType dtype) {
    return upload(backend, read_matrix(open->contents, open->config, role, -1), dtype);
  };
  result.ends.embedding = end(TensorRole::embedding, compute_dtype);
  result.ends.final_norm = end(TensorRole::final_norm, DType::f32);
  if (!open->config.tied_embeddings) {
    result.ends.own_head = end(TensorRole::head, compute_dtype);
  }
  for (const auto& [name, entry] : open->contents.tensors) {
    result.tensor_bytes += static_cast<std::int64_t>(entry.bytes.size());
  }
  result.layers = [&backend, file = open.get(), compute_dtype](std::int64_t layer) {
    return pack_layer(backend, *file, layer, compute_dtype);
  };
  return result;
}

}  // namespace

/// One file that llama.cpp loads.
FormatWriter gguf_writer() {
  return {.stored_dtype = stored_dtype, .companions = terms_files, .write = write, .read_back = read_back};
}

}  // namespace cce
