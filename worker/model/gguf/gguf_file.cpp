#include "worker/model/gguf/gguf_file.h"

#include <bit>
#include <cstring>

#include "common/base/error.h"

namespace cce {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are little-endian");

constexpr std::string_view magic = "GGUF";
constexpr std::uint32_t version = 3;
constexpr std::size_t most_dimensions = 4;

// Numbers of the value types in the file.
enum class ValueType : std::uint32_t { u32 = 4, i32 = 5, f32 = 6, boolean = 7, text = 8, array = 9 };

template <typename Number>
void put(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
}
void put_text(std::string& bytes, const std::string& text) {
  put(bytes, static_cast<std::uint64_t>(text.size()));
  bytes += text;
}

struct ValueWriter {
  std::string& bytes;

  void operator()(std::uint32_t value) const { put_plain(ValueType::u32, value); }
  void operator()(float value) const { put_plain(ValueType::f32, value); }
  void operator()(bool value) const { put_plain(ValueType::boolean, static_cast<std::uint8_t>(value)); }
  void operator()(const std::string& value) const {
    put(bytes, ValueType::text);
    put_text(bytes, value);
  }
  void operator()(const std::vector<std::string>& values) const {
    start_array(ValueType::text, values.size());
    for (const std::string& value : values) put_text(bytes, value);
  }
  void operator()(const std::vector<std::int32_t>& values) const { put_numbers(ValueType::i32, values); }
  void operator()(const std::vector<float>& values) const { put_numbers(ValueType::f32, values); }

 private:
  template <typename Number>
  void put_plain(ValueType type, Number value) const {
    put(bytes, type);
    put(bytes, value);
  }
  void start_array(ValueType type, std::size_t count) const {
    put(bytes, ValueType::array);
    put(bytes, type);
    put(bytes, static_cast<std::uint64_t>(count));
  }
  template <typename Number>
  void put_numbers(ValueType type, const std::vector<Number>& values) const {
    start_array(type, values.size());
    for (const Number value : values) put(bytes, value);
  }
};

/// Takes values off the front of a file.
class Cursor {
 public:
  Cursor(std::span<const std::byte> file, const std::string& where) : file_(file), where_(where) {}

  [[noreturn]] void refuse(const std::string& found, const std::string& expected,
                           ErrorCode code = ErrorCode::malformed_file) const {
    throw Error{.code = code,
                .where = where_ + ", byte " + std::to_string(at_),
                .found = found,
                .expected = expected,
                .remedy = "Write the file again: cce export JOB --format gguf"};
  }
  template <typename Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof(Number)).data(), sizeof(Number));
    return value;
  }
  std::string text() {
    const std::span<const std::byte> bytes = take(number<std::uint64_t>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::span<const std::byte> take(std::uint64_t count) {
    if (count > file_.size() - at_) refuse("the end of the file", std::to_string(count) + " more bytes");
    at_ += count;
    return file_.subspan(at_ - count, count);
  }
  void align() { take(static_cast<std::uint64_t>(gguf_padding(static_cast<std::int64_t>(at_)))); }

 private:
  std::span<const std::byte> file_;
  const std::string& where_;
  std::size_t at_ = 0;
};

GgufValue read_array(Cursor& cursor) {
  const auto type = cursor.number<ValueType>();
  const auto count = cursor.number<std::uint64_t>();
  const auto fill = [count](auto values, auto&& next) {
    for (std::uint64_t i = 0; i < count; ++i) values.push_back(next());
    return GgufValue(std::move(values));
  };
  switch (type) {
    case ValueType::text:
      return fill(std::vector<std::string>(), [&] { return cursor.text(); });
    case ValueType::i32:
      return fill(std::vector<std::int32_t>(), [&] { return cursor.number<std::int32_t>(); });
    case ValueType::f32:
      return fill(std::vector<float>(), [&] { return cursor.number<float>(); });
    default:
      cursor.refuse("an array of type " + std::to_string(static_cast<std::uint32_t>(type)),
                    "text, 32-bit integers or floats", ErrorCode::unsupported);
  }
}

GgufValue read_value(Cursor& cursor) {
  const auto type = cursor.number<ValueType>();
  switch (type) {
    case ValueType::u32:
      return cursor.number<std::uint32_t>();
    case ValueType::f32:
      return cursor.number<float>();
    case ValueType::boolean:
      return cursor.number<std::uint8_t>() != 0;
    case ValueType::text:
      return cursor.text();
    case ValueType::array:
      return read_array(cursor);
    default:
      cursor.refuse("a value of type " + std::to_string(static_cast<std::uint32_t>(type)),
                    "text, a 32-bit number, a boolean or an array", ErrorCode::unsupported);
  }
}

struct Placed {
  GgufTensor tensor;
  std::uint64_t offset = 0;
};

Placed read_tensor(Cursor& cursor) {
  Placed placed;
  placed.tensor.name = cursor.text();
  const auto dimensions = cursor.number<std::uint32_t>();
  if (dimensions == 0 || dimensions > most_dimensions) {
    cursor.refuse(std::to_string(dimensions) + " dimensions", "1 to " + std::to_string(most_dimensions));
  }
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    placed.tensor.shape.insert(placed.tensor.shape.begin(), cursor.number<std::int64_t>());
  }
  placed.tensor.type = cursor.number<GgufType>();
  if (element_bytes(placed.tensor.type) == 0) {
    cursor.refuse("tensor type " + std::to_string(static_cast<std::uint32_t>(placed.tensor.type)),
                  "F32, F16 or BF16", ErrorCode::unsupported);
  }
  placed.offset = cursor.number<std::uint64_t>();
  return placed;
}

template <typename Wanted>
const Wanted& value_of(const GgufContents& contents, const std::string& key) {
  const auto found = contents.metadata.find(key);
  const Wanted* value = found == contents.metadata.end() ? nullptr : std::get_if<Wanted>(&found->second);
  if (value == nullptr) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = "GGUF metadata: " + key,
                .found = found == contents.metadata.end() ? "nothing" : "a value of another type",
                .expected = "this key",
                .remedy = "Write the file again: cce export JOB --format gguf"};
  }
  return *value;
}

}  // namespace

std::int64_t element_bytes(GgufType type) {
  switch (type) {
    case GgufType::f32:
      return 4;
    case GgufType::f16:
    case GgufType::bf16:
      return 2;
  }
  return 0;
}

std::int64_t GgufTensor::bytes() const {
  std::int64_t bytes = element_bytes(type);
  for (const std::int64_t extent : shape) bytes *= extent;
  return bytes;
}

std::int64_t gguf_padding(std::int64_t bytes) {
  return (gguf_alignment - bytes % gguf_alignment) % gguf_alignment;
}

std::string write_gguf_header(const GgufMetadata& metadata, const std::vector<GgufTensor>& tensors) {
  std::string bytes(magic);
  put(bytes, version);
  put(bytes, static_cast<std::uint64_t>(tensors.size()));
  put(bytes, static_cast<std::uint64_t>(metadata.size()));
  for (const auto& [key, value] : metadata) {
    put_text(bytes, key);
    std::visit(ValueWriter{bytes}, value);
  }
  std::int64_t offset = 0;
  for (const GgufTensor& tensor : tensors) {
    put_text(bytes, tensor.name);
    put(bytes, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent) put(bytes, *extent);
    put(bytes, tensor.type);
    put(bytes, static_cast<std::uint64_t>(offset));
    offset += tensor.bytes() + gguf_padding(tensor.bytes());
  }
  bytes.append(static_cast<std::size_t>(gguf_padding(static_cast<std::int64_t>(bytes.size()))), '\0');
  return bytes;
}

GgufContents read_gguf(std::span<const std::byte> file, const std::string& where) {
  Cursor cursor(file, where);
  const std::span<const std::byte> start = cursor.take(magic.size());
  if (std::string_view(reinterpret_cast<const char*>(start.data()), start.size()) != magic) {
    cursor.refuse("another file", "a GGUF file");
  }
  if (const auto found = cursor.number<std::uint32_t>(); found != version) {
    cursor.refuse("version " + std::to_string(found), std::to_string(version), ErrorCode::unsupported);
  }
  const auto tensor_count = cursor.number<std::uint64_t>();
  const auto metadata_count = cursor.number<std::uint64_t>();
  GgufContents contents;
  for (std::uint64_t i = 0; i < metadata_count; ++i) {
    const std::string key = cursor.text();
    contents.metadata[key] = read_value(cursor);
  }
  std::vector<Placed> placed;
  for (std::uint64_t i = 0; i < tensor_count; ++i) placed.push_back(read_tensor(cursor));
  cursor.align();
  std::uint64_t offset = 0;
  for (Placed& next : placed) {  // in the order of the table, as they are written
    const std::int64_t bytes = next.tensor.bytes();
    if (next.offset != offset) cursor.refuse("tensor " + next.tensor.name + " at another offset", "no gaps");
    GgufContents::Entry entry{next.tensor, cursor.take(static_cast<std::uint64_t>(bytes))};
    cursor.take(static_cast<std::uint64_t>(gguf_padding(bytes)));
    offset += static_cast<std::uint64_t>(bytes + gguf_padding(bytes));
    contents.tensors.emplace(next.tensor.name, std::move(entry));
  }
  return contents;
}

std::int64_t GgufContents::integer(const std::string& key) const {
  return value_of<std::uint32_t>(*this, key);
}

double GgufContents::number(const std::string& key) const {
  return static_cast<double>(value_of<float>(*this, key));
}

std::string GgufContents::text(const std::string& key) const {
  return value_of<std::string>(*this, key);
}

const GgufContents::Entry& GgufContents::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    throw Error{.code = ErrorCode::missing_tensor,
                .where = "GGUF tensor " + name,
                .found = "nothing",
                .expected = "every tensor of the model",
                .remedy = "Write the file again: cce export JOB --format gguf"};
  }
  return found->second;
}

}  // namespace cce
