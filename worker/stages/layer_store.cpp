#include "worker/stages/layer_store.h"

#include <cstring>
#include <iomanip>
#include <sstream>

namespace cce {
namespace {

void write_bytes(FileSystem& files, const std::filesystem::path& path, std::span<const std::byte> bytes) {
  const auto writer = files.open_writer(path, WriteMode::create_or_replace);
  writer->append(bytes);
  writer->sync();
  writer->close();
}

MappedFile map_exactly(const FileSystem& files, const std::filesystem::path& path, std::size_t bytes) {
  MappedFile mapped = files.map_readonly(path);
  if (mapped.bytes().size() != bytes) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = path.string(),
                .found = std::to_string(mapped.bytes().size()) + " bytes",
                .expected = std::to_string(bytes),
                .remedy = "delete the job's state folder and resume"};
  }
  return mapped;
}

}  // namespace

void write_layer(FileSystem& files, const std::filesystem::path& path, const HostLayer& layer,
                 std::int64_t hidden_size) {
  std::vector<std::byte> block(packed_layer_bytes(layer.shape, hidden_size, DType::f32));
  pack_host_layer(layer, hidden_size, DType::f32, block);
  write_bytes(files, path, block);
}

void write_matrix(FileSystem& files, const std::filesystem::path& path, const HostMatrix& matrix) {
  write_bytes(files, path, std::as_bytes(std::span(matrix.values)));
}

void write_numbers(FileSystem& files, const std::filesystem::path& path,
                   std::initializer_list<std::span<float>> blocks) {
  const auto writer = files.open_writer(path, WriteMode::create_or_replace);
  for (const std::span<float> block : blocks) {
    writer->append(std::as_bytes(block));
  }
  writer->sync();
  writer->close();
}

void read_numbers(const FileSystem& files, const std::filesystem::path& path,
                  std::initializer_list<std::span<float>> blocks) {
  std::size_t bytes = 0;
  for (const std::span<float> block : blocks) {
    bytes += block.size_bytes();
  }
  const MappedFile mapped = map_exactly(files, path, bytes);
  const std::byte* from = mapped.bytes().data();
  for (const std::span<float> block : blocks) {
    std::memcpy(block.data(), from, block.size_bytes());
    from += block.size_bytes();
  }
}

HostLayer read_layer(const FileSystem& files, const std::filesystem::path& path, const LayerShape& shape,
                     std::int64_t hidden_size) {
  const MappedFile mapped = map_exactly(files, path, packed_layer_bytes(shape, hidden_size, DType::f32));
  return to_host_layer(view_packed_layer(shape, hidden_size, DType::f32, mapped.bytes()));
}

HostMatrix read_matrix(const FileSystem& files, const std::filesystem::path& path, std::int64_t rows,
                       std::int64_t cols) {
  HostMatrix matrix(rows, cols);
  const auto target = std::as_writable_bytes(std::span(matrix.values));
  const MappedFile mapped = map_exactly(files, path, target.size());
  if (!target.empty()) {
    std::memcpy(target.data(), mapped.bytes().data(), target.size());
  }
  return matrix;
}

std::string layer_state_name(std::string_view stage, std::int64_t layer) {
  std::ostringstream name;
  name << stage << ".layer-" << std::setw(3) << std::setfill('0') << layer;
  return name.str();
}

}  // namespace cce
