#pragma once
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>

#include "common/base/file.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// A token file of random tokens, the same on every call.
inline void write_tokens(const std::filesystem::path& path, std::int64_t vocabulary, std::size_t count) {
  std::mt19937 engine(17);
  std::uniform_int_distribution<int> token(0, static_cast<int>(vocabulary) - 1);
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) {
    const int id = token(engine);
    bytes += static_cast<char>(id & 0xff);
    bytes += static_cast<char>(id >> 8);
  }
  PosixFileSystem().write_atomic(path, bytes);
}

/// Windows [first, last) of it as a text of a recipe.
inline TextSource tokens_of(const std::filesystem::path& path, std::int64_t first, std::int64_t last) {
  TextSource source;
  source.path = path.string();
  source.name = "tokens";
  source.first = first;
  source.last = last;
  return source;
}

}  // namespace cce
