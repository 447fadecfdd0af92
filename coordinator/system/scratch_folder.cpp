#include "coordinator/system/scratch_folder.h"

#include <random>
#include <utility>

#include "common/base/error.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr const char* mark_name = "made-by-cce";
constexpr std::size_t random_letters = 10;

std::string random_name(const std::string& prefix) {
  std::random_device source;
  std::uniform_int_distribution<int> letter('a', 'z');
  std::string name = prefix;
  for (std::size_t i = 0; i < random_letters; ++i) {
    name += static_cast<char>(letter(source));
  }
  return name;
}

bool is_real_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(fs::symlink_status(path, ignored));
}

}  // namespace

ScratchFolder::ScratchFolder(fs::path path, std::unique_ptr<FileLock> lock)
    : path_(std::move(path)), lock_(std::move(lock)) {}

ScratchFolder ScratchFolder::make(FileSystem& files, const fs::path& parent, const std::string& prefix) {
  fs::path path = parent / random_name(prefix);
  while (files.exists(path)) {
    path = parent / random_name(prefix);
  }
  files.make_directory(path);
  std::unique_ptr<FileLock> lock = files.lock(path / mark_name);
  return {std::move(path), std::move(lock)};
}

void ScratchFolder::remove(FileSystem& files) {
  for (const std::string& name : files.list(path_)) {
    if (name != mark_name) {
      files.remove_all(path_ / name);
    }
  }
  files.remove_all(path_);
  lock_.reset();
}

std::vector<ScratchFolder> abandoned_scratch(FileSystem& files, const fs::path& parent,
                                             const std::string& prefix) {
  std::vector<ScratchFolder> found;
  std::vector<std::string> names;
  try {
    names = files.list(parent);
  } catch (const Error&) {
    return found;
  }
  for (const std::string& name : names) {
    if (name.size() != prefix.size() + random_letters || !name.starts_with(prefix)) {
      continue;
    }
    try {
      if (is_scratch(files, parent / name)) {
        found.push_back({parent / name, files.lock(parent / name / mark_name)});
      }
    } catch (const Error&) {
      continue;  // another process works in it, or it is another user's
    }
  }
  return found;
}

bool is_scratch(const FileSystem& files, const fs::path& folder) {
  return folder.filename().string().find(".cce-") != std::string::npos && is_real_folder(folder) &&
         files.exists(folder / mark_name);
}

}  // namespace cce
