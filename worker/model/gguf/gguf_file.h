#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace cce {

// The container of llama.cpp's models, GGUF version 3 (as ggml's page of that name describes it): magic, counts, metadata by key, a table of
// tensors, then their bytes, each aligned. All numbers little-endian.

using GgufValue = std::variant<std::uint32_t, float, bool, std::string, std::vector<std::string>,
                               std::vector<std::int32_t>, std::vector<float>>;
using GgufMetadata = std::vector<std::pair<std::string, GgufValue>>;

/// How a tensor's numbers are stored, by ggml's numbers.
enum class GgufType : std::uint32_t { f32 = 0, f16 = 1, bf16 = 30 };
std::int64_t element_bytes(GgufType type);

struct GgufTensor {
  std::string name;
  GgufType type = GgufType::f32;
  std::vector<std::int64_t>
      shape;  ///< rows × columns, as in a checkpoint; the file has it the other way round
  std::int64_t bytes() const;
};

/// Every tensor begins at a multiple of this from the start of the data, which itself is aligned.
inline constexpr std::int64_t gguf_alignment = 32;
/// Zeros that follow `bytes` of a tensor.
std::int64_t gguf_padding(std::int64_t bytes);

/// All that comes before the first tensor's bytes.
std::string write_gguf_header(const GgufMetadata& metadata, const std::vector<GgufTensor>& tensors);

/// A file's header, and where its tensors lie.
struct GgufContents {
  struct Entry {
    GgufTensor tensor;
    std::span<const std::byte> bytes;  ///< within the file that was read
  };
  std::map<std::string, GgufValue> metadata;
  std::map<std::string, Entry> tensors;

  // Values by key. Errors: malformed_file where the key is absent or of another type, naming it.
  std::int64_t integer(const std::string& key) const;
  double number(const std::string& key) const;
  std::string text(const std::string& key) const;
  const Entry& tensor(const std::string& name) const;
};

/// Reads a whole file's bytes, which must outlive the result. Only what write_gguf_header writes is understood.
/// Errors: malformed_file, unsupported (other types of values or tensors), with `where`.
GgufContents read_gguf(std::span<const std::byte> file, const std::string& where);

}  // namespace cce
