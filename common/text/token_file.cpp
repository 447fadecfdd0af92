#include "common/text/token_file.h"

#include <span>

#include "common/base/error.h"
#include "common/text/text_format.h"

namespace cce {

TokenFile TokenFile::open(const FileSystem& files, const std::string& path) {
  TokenFile result;
  result.path_ = path;
  const TextKind kind = text_format_of(path).kind;
  if (kind != TextKind::tokens_16 && kind != TextKind::tokens_32) {
    throw Error{.code = ErrorCode::unsupported,
                .where = path,
                .found = "a file that is not named as one of token ids",
                .expected = ".tokens.u16 or .tokens.u32",
                .remedy = "Name it by the width of its ids"};
  }
  result.width_ = kind == TextKind::tokens_16 ? 2 : 4;
  const std::int64_t bytes = files.file_bytes(path);
  result.tokens_ = bytes / static_cast<std::int64_t>(result.width_);
  if (bytes % static_cast<std::int64_t>(result.width_) != 0) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = path,
                .found = std::to_string(bytes) + " bytes",
                .expected = "a multiple of " + std::to_string(result.width_) + " bytes (one id each)",
                .remedy = "Write the token file again, or give it the ending of its width (.u16, .u32)"};
  }
  result.file_ = files.map_readonly(path);
  return result;
}

std::vector<std::int32_t> TokenFile::copy(std::int64_t first, std::int64_t count,
                                          std::int64_t vocabulary_size) const {
  const std::span<const std::byte> bytes = file_.bytes();
  std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::uint32_t id = 0;
    for (std::size_t byte = 0; byte < width_; ++byte) {
      const std::size_t place = (static_cast<std::size_t>(first) + i) * width_ + byte;
      id |= static_cast<std::uint32_t>(bytes[place]) << (8 * byte);
    }
    if (id >= static_cast<std::uint64_t>(vocabulary_size)) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = path_ + ", token " + std::to_string(first + static_cast<std::int64_t>(i)),
                  .found = std::to_string(id),
                  .expected = "an id below the model's vocabulary of " + std::to_string(vocabulary_size),
                  .remedy = "Tokenize the text with the tokenizer of this model"};
    }
    ids[i] = static_cast<std::int32_t>(id);
  }
  return ids;
}

std::size_t token_bytes_for(std::int64_t vocabulary_size) {
  return vocabulary_size <= std::int64_t{1} << 16 ? 2 : 4;
}

std::string token_file_bytes(const std::vector<std::int32_t>& ids, std::size_t width) {
  std::string bytes;
  bytes.reserve(ids.size() * width);
  for (const std::int32_t id : ids) {
    for (std::size_t byte = 0; byte < width; ++byte) {
      bytes.push_back(static_cast<char>((static_cast<std::uint32_t>(id) >> (8 * byte)) & 0xFFU));
    }
  }
  return bytes;
}

}  // namespace cce
