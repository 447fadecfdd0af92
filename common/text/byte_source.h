#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "common/text/text_format.h"

namespace cce {

/// Bytes of a file, one block after another. For one thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills the block from its front and returns how many bytes there are: fewer than its size only at the
  /// end. Errors: io_failure; malformed_file for compressed bytes that are damaged or end early.
  virtual std::size_t read(std::span<char> block) = 0;
};

/// Opens a file for reading once from front to back, uncompressed on the way. Memory does not grow with the
/// file. Errors: missing_file; malformed_file where a zstd stream asks for a window of more than 128 MiB.
std::unique_ptr<ByteSource> open_bytes(const std::string& path, TextCompression compression);

}  // namespace cce
