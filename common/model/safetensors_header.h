#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cce {

/// The safetensors format: 8 bytes, little-endian, N = length of the header; N bytes of JSON, possibly padded
/// with spaces; then the tensors' bytes, row-major, without gaps or overlaps.

/// One tensor's place in a file.
struct TensorEntry {
  std::string name;
  std::string dtype;                ///< as written: "F32", "F16", "BF16", "I64", ...
  std::vector<std::int64_t> shape;  ///< no entry: a scalar
  std::int64_t begin = 0;           ///< bytes from the start of the data section
  std::int64_t end = 0;

  std::int64_t bytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  ///< in the order of their offsets
  std::map<std::string, std::string> metadata;
  std::int64_t data_offset = 0;  ///< of the data section from the start of the file

  /// Null where no tensor has this name. Tensors are found in logarithmic time.
  const TensorEntry* find(const std::string& name) const;
  std::map<std::string, std::size_t> index_by_name;
};

/// Bytes of one element, or 0 for a dtype the format does not know.
std::int64_t dtype_bytes(std::string_view dtype);

/// Reads and checks the header of a whole file (its bytes, as mapped): lengths within the file, known dtypes,
/// shape × size = bytes without overflow, offsets that cover the data section exactly once, no name twice.
/// Errors: malformed_file, wrong_type, unknown_key, out_of_range, with file and tensor.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& where);

/// The first bytes of a file that holds these tensors one after another in the order given: length, JSON with
/// `__metadata__` {"format": "pt"}, spaces up to a multiple of 8 bytes. Fills in the entries' begin and end.
/// Errors: invalid_argument for a name twice or an unknown dtype.
std::string write_safetensors_header(std::vector<TensorEntry>& tensors);

/// The checkpoint's shards: which file holds each tensor.
struct ShardIndex {
  std::map<std::string, std::string> file_of_tensor;

  /// File names, each once, sorted.
  std::vector<std::string> files() const;
};

/// Reads model.safetensors.index.json. A file must be a plain name ending in .safetensors in the same folder.
/// Errors: malformed_file, wrong_type, out_of_range.
ShardIndex parse_shard_index(const std::string& json_text, const std::string& where);

/// The text of model.safetensors.index.json. total_bytes: of all tensors.
std::string to_json(const ShardIndex& index, std::int64_t total_bytes);

}  // namespace cce
