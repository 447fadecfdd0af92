#include "coordinator/system/log_tail.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <vector>

namespace cce {
namespace {

constexpr std::int64_t log_tail_bytes = 4000;
constexpr std::size_t log_tail_lines = 15;

}  // namespace

std::string log_tail(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  if (!stream) {
    return {};
  }
  const std::int64_t size = stream.tellg();
  stream.seekg(std::max<std::int64_t>(0, size - log_tail_bytes));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) {
      lines.push_back(line);
    }
  }
  std::string text;
  for (std::size_t i = lines.size() > log_tail_lines ? lines.size() - log_tail_lines : 0; i < lines.size();
       ++i) {
    text.append("\n  ").append(lines[i]);
  }
  return text;
}

}  // namespace cce
