#pragma once
#include <filesystem>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "common/base/file.h"

namespace cce {

/// The cases of tests/fuzz/corpus/NAME: file names and contents, in order of their names.
inline std::vector<std::pair<std::string, std::string>> fuzz_corpus(const std::string& name) {
  const PosixFileSystem files;
  const std::filesystem::path folder = std::filesystem::path(CCE_TESTS_DIR) / "fuzz/corpus" / name;
  std::vector<std::pair<std::string, std::string>> cases;
  for (const std::string& file : files.list(folder)) {
    cases.emplace_back(file, files.read_text(folder / file, 1 << 20));
  }
  return cases;
}

/// One to four edits: a byte changed, a stretch removed, doubled, replaced by what tends to break parsers, or
/// a piece of another case put in.
inline std::string mutated(std::string text, const std::string& other, std::mt19937_64& random) {
  static const std::string fragments[] = {"-1", "1e308",   "18446744073709551616", "null", "[]",   "{}",
                                          "\"", "\\u0000", "9223372036854775807",  "0.5",  "true", "[[[["};
  const auto below = [&random](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  for (std::size_t edits = 1 + below(4); edits > 0 && !text.empty(); --edits) {
    const std::size_t at = below(text.size());
    const std::size_t length = 1 + below(12);
    switch (below(5)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      case 3:
        text.replace(at, length, fragments[below(std::size(fragments))]);
        break;
      default:
        if (!other.empty()) {
          text.insert(at, other.substr(below(other.size()), length));
        }
        break;
    }
  }
  return text;
}

}  // namespace cce
