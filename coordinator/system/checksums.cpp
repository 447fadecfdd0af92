#include "coordinator/system/checksums.h"

#include <sstream>

#include "common/base/digest.h"
#include "common/base/error.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t digest_digits = 64;

void add_folder(const FileSystem& files, const fs::path& folder, const fs::path& relative,
                std::string& text) {
  for (const std::string& name : files.list(folder)) {
    if (files.is_directory(folder / name)) {
      add_folder(files, folder / name, relative / name, text);
    } else if (relative.empty() && name == checksums_name) {
      continue;
    } else {
      text += digest_of_file(files, folder / name) + "  " + (relative / name).string() + "\n";
    }
  }
}

bool is_digest(const std::string& text) {
  return text.size() == digest_digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

void write_checksums(FileSystem& files, const fs::path& folder) {
  std::string text;
  add_folder(files, folder, "", text);
  files.write_atomic(folder / checksums_name, text);
}

std::map<std::string, std::string> parse_checksums(const std::string& text, const std::string& where) {
  std::map<std::string, std::string> digests;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::string digest = line.substr(0, digest_digits);
    const bool separated = line.size() > digest_digits + 2 && line.compare(digest_digits, 2, "  ") == 0;
    if (!separated || !is_digest(digest) || !digests.emplace(line.substr(digest_digits + 2), digest).second) {
      throw Error{.code = ErrorCode::malformed_file,
                  .where = where,
                  .found = line,
                  .expected = "lines of 64 hexadecimal digits, two spaces and a path, each path once",
                  .remedy = "Fetch the result again."};
    }
  }
  return digests;
}

}  // namespace cce
