#include "common/base/file.h"

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

FileSystem::Path old_name(const FileSystem::Path& final_path) {
  FileSystem::Path old = final_path;
  old += ".old";
  return old;
}

}  // namespace

void FileSystem::publish_directory(const Path& temporary, const Path& final_path) {
  const Path old = old_name(final_path);
  sync_folders_inside(*this, temporary);  // 1.
  if (exists(final_path)) {
    remove_all(old);
    rename(final_path, old);  // 2.
  }
  rename(temporary, final_path);             // 3.
  sync_directory(final_path.parent_path());  // 4.
  remove_all(old);                           // 5.
}

void FileSystem::recover_directory(const Path& final_path) {
  const Path old = old_name(final_path);
  if (!exists(old)) {
    return;
  }
  if (exists(final_path)) {
    remove_all(old);
  } else {
    rename(old, final_path);
    sync_directory(final_path.parent_path());
  }
}

}  // namespace cce
