#include "common/model/safetensors_header.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/base/number_format.h"

namespace cce {
namespace {

constexpr std::int64_t length_bytes = 8;
constexpr std::int64_t longest_header = 100'000'000;  // what the reference implementation accepts

[[noreturn]] void refuse_file(const std::string& where, const std::string& found,
                              const std::string& expected) {
  throw Error{.code = ErrorCode::malformed_file,
              .where = where,
              .found = found,
              .expected = expected,
              .remedy = "Fetch the file again: it is truncated or damaged"};
}

std::int64_t header_length(std::span<const std::byte> file, const std::string& where) {
  const auto file_bytes = static_cast<std::int64_t>(file.size());
  if (file_bytes < length_bytes) {
    refuse_file(where, std::to_string(file_bytes) + " bytes", "at least 8 for the header's length");
  }
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) {
    length = (length << 8) | static_cast<std::uint64_t>(file[i]);
  }
  const auto rest = static_cast<std::uint64_t>(file_bytes - length_bytes);
  if (length > rest) {
    refuse_file(where, "a header of " + std::to_string(length) + " bytes",
                "at most the " + std::to_string(rest) + " bytes that follow");
  }
  if (length > static_cast<std::uint64_t>(longest_header)) {
    refuse_file(where, "a header of " + std::to_string(length) + " bytes",
                "at most " + std::to_string(longest_header));
  }
  return static_cast<std::int64_t>(length);
}

/// Bytes of a tensor, or -1 where they do not fit 63 bits.
std::int64_t tensor_bytes(const TensorEntry& tensor) {
  std::int64_t bytes = dtype_bytes(tensor.dtype);
  for (const std::int64_t dimension : tensor.shape) {
    if (__builtin_mul_overflow(bytes, dimension, &bytes)) {
      return -1;
    }
  }
  return bytes;
}

TensorEntry parse_entry(JsonReader reader, const std::string& name, std::int64_t data_bytes) {
  TensorEntry tensor;
  tensor.name = name;
  const JsonReader dtype = reader.required("dtype");
  tensor.dtype = dtype.text();
  if (dtype_bytes(tensor.dtype) == 0) {
    dtype.refuse(ErrorCode::malformed_file, "a safetensors dtype such as F32, F16 or BF16");
  }
  tensor.shape = reader.required("shape").integers({.lowest = 0});
  const JsonReader offsets = reader.required("data_offsets");
  const std::vector<std::int64_t> bounds = offsets.integers({.lowest = 0});
  if (bounds.size() != 2 || bounds[0] > bounds[1]) {
    offsets.refuse(ErrorCode::malformed_file, "two offsets, [begin, end] with begin <= end");
  }
  if (bounds[1] > data_bytes) {
    refuse_file(offsets.where(), "data up to byte " + std::to_string(bounds[1]),
                "at most the " + std::to_string(data_bytes) + " bytes that follow the header");
  }
  tensor.begin = bounds[0];
  tensor.end = bounds[1];
  reader.refuse_unknown_keys();
  const std::int64_t expected_bytes = tensor_bytes(tensor);
  if (expected_bytes != tensor.bytes()) {
    refuse_file(reader.where(), std::to_string(tensor.bytes()) + " bytes",
                expected_bytes < 0 ? "a shape whose bytes can be counted"
                                   : std::to_string(expected_bytes) + " bytes, shape times element size");
  }
  return tensor;
}

/// Offsets in order must start at 0, meet exactly and end where the file ends.
void check_coverage(const std::vector<TensorEntry>& tensors, std::int64_t data_bytes,
                    const std::string& where) {
  std::int64_t next = 0;
  for (const TensorEntry& tensor : tensors) {
    if (tensor.begin != next) {
      refuse_file(where + ": " + tensor.name, "data from byte " + std::to_string(tensor.begin),
                  "from byte " + std::to_string(next) + ", without gap or overlap");
    }
    next = tensor.end;
  }
  if (next != data_bytes) {
    refuse_file(where, std::to_string(data_bytes) + " bytes of data",
                std::to_string(next) + " bytes of tensors");
  }
}

void sort_and_index(SafetensorsHeader& header) {
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const TensorEntry& left, const TensorEntry& right) {
              return std::pair(left.begin, left.end) < std::pair(right.begin, right.end);
            });
  for (std::size_t i = 0; i < header.tensors.size(); ++i) {
    header.index_by_name.emplace(header.tensors[i].name, i);
  }
}

}  // namespace

std::int64_t dtype_bytes(std::string_view dtype) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 15> sizes = {{{"F64", 8},
                                                                                       {"I64", 8},
                                                                                       {"U64", 8},
                                                                                       {"F32", 4},
                                                                                       {"I32", 4},
                                                                                       {"U32", 4},
                                                                                       {"F16", 2},
                                                                                       {"BF16", 2},
                                                                                       {"I16", 2},
                                                                                       {"U16", 2},
                                                                                       {"I8", 1},
                                                                                       {"U8", 1},
                                                                                       {"BOOL", 1},
                                                                                       {"F8_E4M3", 1},
                                                                                       {"F8_E5M2", 1}}};
  for (const auto& [name, bytes] : sizes) {
    if (name == dtype) {
      return bytes;
    }
  }
  return 0;
}

const TensorEntry* SafetensorsHeader::find(const std::string& name) const {
  const auto found = index_by_name.find(name);
  return found == index_by_name.end() ? nullptr : &tensors[found->second];
}

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& where) {
  const std::int64_t length = header_length(file, where);
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + length_bytes,
                              static_cast<std::size_t>(length));
  if (text.empty() || text.front() != '{') {
    refuse_file(where, "a header that does not start with '{'", "a JSON object");
  }
  SafetensorsHeader header;
  header.data_offset = length_bytes + length;
  const std::int64_t data_bytes = static_cast<std::int64_t>(file.size()) - header.data_offset;
  const Json document = parse_json(text, where, 8);
  JsonReader reader(document, where);
  for (const std::string& name : reader.keys()) {
    JsonReader value = reader.required(name);
    if (name != "__metadata__") {
      header.tensors.push_back(parse_entry(value, name, data_bytes));
      continue;
    }
    for (const std::string& key : value.keys()) {
      header.metadata.emplace(key, value.required(key).text());
    }
  }
  sort_and_index(header);
  check_coverage(header.tensors, data_bytes, where);
  return header;
}

std::string write_safetensors_header(std::vector<TensorEntry>& tensors) {
  OrderedJson document = {{"__metadata__", {{"format", "pt"}}}};
  std::set<std::string> names;
  std::int64_t offset = 0;
  for (TensorEntry& tensor : tensors) {
    const std::int64_t bytes = tensor_bytes(tensor);
    const bool is_new = names.insert(tensor.name).second;
    if (!is_new || dtype_bytes(tensor.dtype) == 0 || bytes < 0) {
      throw Error{.code = ErrorCode::invalid_argument,
                  .where = "tensor " + tensor.name,
                  .found = is_new ? "dtype " + tensor.dtype : "its name twice",
                  .expected = "a known dtype and a name of its own",
                  .remedy = "Report this: it is a bug."};
    }
    tensor.begin = offset;
    tensor.end = offset + bytes;
    offset = tensor.end;
  }
  // ordered_json looks names up one by one; the header is put together as text so that thousands of tensors
  // stay cheap.
  std::string json = compact_json(document);
  json.pop_back();
  for (const TensorEntry& tensor : tensors) {
    const OrderedJson entry = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {tensor.begin, tensor.end}}};
    json.append(",").append(compact_json(OrderedJson(tensor.name))).append(":").append(compact_json(entry));
  }
  json += "}";
  json.append((8 - json.size() % 8) % 8, ' ');
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>((json.size() >> (8 * i)) & 0xff);
  }
  return bytes + json;
}

std::vector<std::string> ShardIndex::files() const {
  std::set<std::string> names;
  for (const auto& [tensor, file] : file_of_tensor) {
    names.insert(file);
  }
  return {names.begin(), names.end()};
}

ShardIndex parse_shard_index(const std::string& json_text, const std::string& where) {
  const Json document = parse_json(json_text, where);
  JsonReader reader(document, where);
  JsonReader weight_map = reader.required("weight_map");
  ShardIndex index;
  for (const std::string& tensor : weight_map.keys()) {
    const JsonReader value = weight_map.required(tensor);
    const std::string file = value.text();
    const bool is_plain = file.find('/') == std::string::npos && file.find('\\') == std::string::npos;
    if (!is_plain || !file.ends_with(".safetensors") || file.front() == '.') {
      value.refuse(ErrorCode::malformed_file, "the name of a .safetensors file in the same folder");
    }
    index.file_of_tensor.emplace(tensor, file);
  }
  if (index.file_of_tensor.empty()) {
    weight_map.refuse(ErrorCode::malformed_file, "an object from tensor names to files");
  }
  return index;
}

std::string to_json(const ShardIndex& index, std::int64_t total_bytes) {
  OrderedJson weight_map = OrderedJson(OrderedJson::value_t::object);
  for (const auto& [tensor, file] : index.file_of_tensor) {
    weight_map[tensor] = file;
  }
  return pretty_json({{"metadata", {{"total_size", total_bytes}}}, {"weight_map", weight_map}});
}

}  // namespace cce
