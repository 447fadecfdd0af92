#include "common/base/file.h"

#include <random>

#include "common/base/error.h"

namespace cce {
namespace {

/// Gives a failed write's space back. The failure itself is what the caller must hear about, so another one
/// here is dropped: the leftover is replaced by the next write of the same path.
void remove_leftover(FileSystem& files, const FileSystem::Path& temporary) {
  try {
    files.remove_all(temporary);
  } catch (const Error&) {
    return;
  }
}

}  // namespace

void FileSystem::write_atomic(const Path& path, std::string_view bytes) {
  Path temporary = path;
  temporary += ".tmp";
  try {
    const std::unique_ptr<FileWriter> writer = open_writer(temporary, WriteMode::create_or_replace);  // 1.
    writer->append(bytes);
    writer->sync();
    writer->close();
    rename(temporary, path);  // 2.
  } catch (const Error&) {
    remove_leftover(*this, temporary);
    throw;
  }
  sync_directory(path.parent_path());  // 3.
}

namespace {

void sync_folders_inside(FileSystem& files, const FileSystem::Path& folder) {
  for (const std::string& name : files.list(folder)) {
    if (files.is_directory(folder / name)) {
      sync_folders_inside(files, folder / name);
    }
  }
  files.sync_directory(folder);
}

constexpr std::size_t random_letters = 10;

/// What every name of a folder that was moved aside begins with: the mark that this program moved it.
std::string old_prefix(const FileSystem::Path& final_path) {
  return std::string(".").append(final_path.filename().string()).append(".cce-old-");
}

/// A name in FINAL's folder that nobody has.
FileSystem::Path unused_old_name(const FileSystem& files, const FileSystem::Path& final_path) {
  std::random_device source;
  std::uniform_int_distribution<int> letter('a', 'z');
  FileSystem::Path path;
  do {
    std::string name = old_prefix(final_path);
    for (std::size_t i = 0; i < random_letters; ++i) {
      name += static_cast<char>(letter(source));
    }
    path = final_path.parent_path() / name;
  } while (files.exists(path));
  return path;
}

}  // namespace

void FileSystem::publish_directory(const Path& temporary, const Path& final_path) {
  const Path old = unused_old_name(*this, final_path);
  sync_folders_inside(*this, temporary);  // 1.
  if (exists(final_path)) {
    rename(final_path, old);  // 2.
  }
  rename(temporary, final_path);             // 3.
  sync_directory(final_path.parent_path());  // 4.
  remove_all(old);                           // 5.
}

void FileSystem::recover_directory(const Path& final_path) {
  const Path parent = final_path.parent_path().empty() ? Path(".") : final_path.parent_path();
  const std::string prefix = old_prefix(final_path);
  for (const std::string& name : list(parent)) {
    if (!name.starts_with(prefix) || name.size() != prefix.size() + random_letters) {
      continue;
    }
    if (exists(final_path)) {
      remove_all(parent / name);
    } else {
      rename(parent / name, final_path);
      sync_directory(parent);
    }
  }
}

}  // namespace cce
