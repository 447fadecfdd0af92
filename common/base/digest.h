#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/base/file.h"

namespace cce {

/// SHA-256 over bytes that arrive in parts. Not thread-safe.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  /// The length as 8 bytes and then the text, so that neighbours cannot run into each other.
  void add_field(std::string_view text);

  /// 64 lower-case hexadecimal digits. The digest starts afresh afterwards.
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string digest_of_bytes(std::span<const std::byte> bytes);
std::string digest_of_text(std::string_view text);

/// Of a file's contents, read through a mapping. Errors: missing_file, io_failure.
std::string digest_of_file(const FileSystem& files, const FileSystem::Path& path);

}  // namespace cce
