#pragma once
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/model/safetensors_header.h"

namespace cce {

/// One tensor as a file holds it, for tests that rewrite files.
struct RawTensor {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::string bytes;
};

inline std::vector<RawTensor> read_raw_tensors(const std::filesystem::path& path) {
  const MappedFile file = PosixFileSystem().map_readonly(path);
  const SafetensorsHeader header = parse_safetensors_header(file.bytes(), path.string());
  std::vector<RawTensor> tensors;
  for (const TensorEntry& entry : header.tensors) {
    const char* data = reinterpret_cast<const char*>(file.bytes().data()) + header.data_offset + entry.begin;
    tensors.push_back(
        {entry.name, entry.dtype, entry.shape, std::string(data, static_cast<std::size_t>(entry.bytes()))});
  }
  return tensors;
}

inline void write_raw_tensors(const std::filesystem::path& path, const std::vector<RawTensor>& tensors) {
  std::vector<TensorEntry> entries;
  for (const RawTensor& tensor : tensors) {
    entries.push_back({.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape});
  }
  std::ofstream file(path, std::ios::binary);
  file << write_safetensors_header(entries);
  for (const RawTensor& tensor : tensors) file << tensor.bytes;
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace cce
