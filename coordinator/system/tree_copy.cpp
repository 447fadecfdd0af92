#include "coordinator/system/tree_copy.h"

#include <memory>
#include <system_error>

#include "common/base/error.h"
#include "common/base/file.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const std::error_code& error) {
  throw Error{.code = error == std::errc::no_space_on_device ? ErrorCode::disk_full : ErrorCode::io_failure,
              .where = path.string(),
              .found = error.message(),
              .remedy = error == std::errc::no_space_on_device
                            ? "Free some space and try again."
                            : "Check the permissions of the folder and the disk."};
}

void link_or_copy(const fs::path& source, const fs::path& target) {
  std::error_code error;
  fs::create_hard_link(source, target, error);
  if (!error) {
    return;
  }
  PosixFileSystem files;
  const MappedFile content = files.map_readonly(source);
  const std::unique_ptr<FileWriter> writer = files.open_writer(target, WriteMode::create_or_replace);
  writer->append(content.bytes());
  writer->sync();
  writer->close();
}

}  // namespace

void copy_tree(const fs::path& source, const fs::path& target) {
  std::error_code error;
  fs::create_directories(target, error);
  if (error) {
    fail(target, error);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(source)) {
    const fs::path copy = target / entry.path().filename();
    if (entry.is_directory()) {
      copy_tree(entry.path(), copy);
    } else {
      link_or_copy(entry.path(), copy);
    }
  }
}

}  // namespace cce
