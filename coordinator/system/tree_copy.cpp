#include "coordinator/system/tree_copy.h"

#include <memory>
#include <string>
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

bool is_ours(const fs::path& folder) {
  return fs::exists(folder / "report.json") &&
         (fs::exists(folder / "plan.json") || fs::exists(folder / "recipe.yaml"));
}

fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
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

void check_deliverable(const fs::path& output, bool force) {
  if (!fs::exists(output) || force) {
    return;
  }
  if (!fs::is_directory(output) || (!fs::is_empty(output) && !is_ours(output))) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "output " + output.string(),
                .found = "something that is not an earlier result",
                .expected = "a new or empty folder, or an earlier result",
                .remedy = "Choose another --out, or replace it with --force"};
  }
}

void deliver_result(const fs::path& result, const fs::path& output, bool force) {
  check_deliverable(output, force);
  PosixFileSystem files;
  const fs::path final_path = without_trailing_slash(output);
  const fs::path temporary = final_path.string() + ".tmp";
  if (final_path.has_parent_path()) {
    files.make_directory(final_path.parent_path());
  }
  files.remove_all(temporary);
  try {
    copy_tree(result, temporary);
    if (fs::exists(final_path) && !fs::is_directory(final_path)) {
      files.remove_all(final_path);
    }
    files.publish_directory(temporary, final_path);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

}  // namespace cce
