#include "worker/passes/layer_store.h"
#include "worker/tensor/host_access.h"

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
                .remedy = "Delete the job's state folder and resume"};
  }
  return mapped;
}

std::size_t bytes_of_block(const ConstMatrix& block) {
  return static_cast<std::size_t>(block.rows * block.cols) * size_in_bytes(block.dtype);
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

void write_numbers(FileSystem& files, Backend& backend, const std::filesystem::path& path,
                   const std::vector<ConstMatrix>& blocks) {
  const auto writer = files.open_writer(path, WriteMode::create_or_replace);
  for (const ConstMatrix& block : blocks) {
    const HostRead host(backend, block);
    writer->append({host.view().as<std::byte>(), bytes_of_block(block)});
  }
  writer->sync();
  writer->close();
}

void read_numbers(const FileSystem& files, Backend& backend, const std::filesystem::path& path,
                  const std::vector<Matrix>& blocks) {
  std::size_t bytes = 0;
  for (const Matrix& block : blocks) {
    bytes += bytes_of_block(block);
  }
  const MappedFile mapped = map_exactly(files, path, bytes);
  const std::byte* from = mapped.bytes().data();
  for (const Matrix& block : blocks) {
    backend.upload({from, block.dtype, block.rows, block.cols, block.cols}, block);
    from += bytes_of_block(block);
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
