#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/file.h"

namespace cce {

/// Token ids in a file, .u16 or .u32: little-endian, no header. Mapped: only what is copied is read.
/// Threads may share it.
class TokenFile {
 public:
  /// Errors: missing_file; unsupported for other names; malformed_file where the size is no whole number of
  /// ids.
  static TokenFile open(const FileSystem& files, const std::string& path);

  const std::string& path() const { return path_; }
  std::int64_t tokens() const { return tokens_; }

  /// Ids [first, first + count), which the file must have. Errors: out_of_range, with its position, for an id
  /// that is not below `vocabulary_size`.
  std::vector<std::int32_t> copy(std::int64_t first, std::int64_t count, std::int64_t vocabulary_size) const;

 private:
  std::string path_;
  MappedFile file_;
  std::size_t width_ = 2;
  std::int64_t tokens_ = 0;
};

/// Bytes of an id in a token file for a vocabulary: 2 where it fits.
std::size_t token_bytes_for(std::int64_t vocabulary_size);

/// The bytes of ids as a token file has them.
std::string token_file_bytes(const std::vector<std::int32_t>& ids, std::size_t width);

}  // namespace cce
