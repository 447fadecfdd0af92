#include "coordinator/system/folder_exchange.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "coordinator/system/scratch_folder.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr const char* journal_name = "journal.json";
constexpr const char* outgoing_name = "old";

/// What moves, each list in the order in which it moves.
struct Journal {
  std::vector<std::string> leaving, coming;
};

/// Two processes never move files of one folder at once. Where its file system knows no locks of folders
/// (some over networks) nothing is held.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(descriptor_);
      throw Error{.code = ErrorCode::job_locked,
                  .where = folder.string(),
                  .found = "another process that puts a result there",
                  .expected = "a folder that nobody else fills",
                  .remedy = "Wait until it is done, or choose another --out"};
    }
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }

 private:
  int descriptor_;
};

/// Present, whatever it is: a link is not followed.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

bool is_real_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(fs::symlink_status(path, ignored));
}

/// What decides whether a folder is taken for a checkpoint, or for a result, comes after all else.
int rank_of(const std::string& path) {
  return path == "config.json" ? 2 : path == "report.json" ? 1 : 0;
}

Journal plan_exchange(const FileSystem& files, const fs::path& folder, const fs::path& scratch) {
  Journal journal{.leaving = entries_inside(files, folder),
                  .coming = entries_inside(files, scratch / incoming_name)};
  const auto earlier = [](const std::string& left, const std::string& right) {
    return rank_of(left) < rank_of(right);
  };
  std::stable_sort(journal.coming.begin(), journal.coming.end(), earlier);
  std::stable_sort(journal.leaving.begin(), journal.leaving.end(),
                   [&](const std::string& left, const std::string& right) { return earlier(right, left); });
  return journal;
}

Journal read_journal(const FileSystem& files, const fs::path& path) {
  const Json document = parse_json(files.read_text(path), path.string());
  Journal journal;
  const auto read = [&](const char* key, std::vector<std::string>& list) {
    for (const Json& item : document.at(key)) {
      list.push_back(item.get<std::string>());
    }
  };
  try {
    read("leaving", journal.leaving);
    read("coming", journal.coming);
  } catch (const Json::exception& error) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = path.string(),
                .found = error.what(),
                .expected = "the journal of an interrupted delivery",
                .remedy = "Look at what its folder holds, then remove it"};
  }
  return journal;
}

void move_file(FileSystem& files, const fs::path& from, const fs::path& to) {
  files.make_directory(to.parent_path());
  files.rename(from, to);
}

void sync_folders(FileSystem& files, const fs::path& folder) {
  for (const std::string& name : files.list(folder)) {
    if (is_real_folder(folder / name) && !is_scratch(files, folder / name)) {
      sync_folders(files, folder / name);
    }
  }
  files.sync_directory(folder);
}

/// Folders that only held what has left, innermost first.
void remove_emptied(FileSystem& files, const fs::path& folder, const std::vector<std::string>& left) {
  std::set<fs::path> parents;
  for (const std::string& path : left) {
    for (fs::path parent = fs::path(path).parent_path(); !parent.empty(); parent = parent.parent_path()) {
      parents.insert(parent);
    }
  }
  for (auto parent = parents.rbegin(); parent != parents.rend(); ++parent) {
    if (files.is_directory(folder / *parent) && files.list(folder / *parent).empty()) {
      files.remove_all(folder / *parent);
    }
  }
}

/// May be repeated from any place: what still lies in SCRATCH/new has not come yet.
void move_forward(FileSystem& files, const fs::path& folder, const fs::path& scratch,
                  const Journal& journal) {
  const std::set<std::string> coming(journal.coming.begin(), journal.coming.end());
  const auto still_to_come = [&](const std::string& path) {
    return coming.contains(path) && is_there(scratch / incoming_name / path);
  };
  for (const std::string& path : journal.leaving) {
    if (is_there(folder / path) && (!coming.contains(path) || still_to_come(path))) {
      move_file(files, folder / path, scratch / outgoing_name / path);
    }
  }
  files.sync_directory(folder);
  remove_emptied(files, folder, journal.leaving);
  int rank = 0;
  for (const std::string& path : journal.coming) {
    if (rank_of(path) > rank) {
      sync_folders(files, folder);
      rank = rank_of(path);
    }
    if (still_to_come(path)) {
      move_file(files, scratch / incoming_name / path, folder / path);
    }
  }
  sync_folders(files, folder);
}

void move_back(FileSystem& files, const fs::path& folder, const fs::path& scratch, const Journal& journal) {
  for (auto path = journal.coming.rbegin(); path != journal.coming.rend(); ++path) {
    if (!is_there(scratch / incoming_name / *path) && is_there(folder / *path)) {
      move_file(files, folder / *path, scratch / incoming_name / *path);
    }
  }
  remove_emptied(files, folder, journal.coming);
  for (auto path = journal.leaving.rbegin(); path != journal.leaving.rend(); ++path) {
    if (is_there(scratch / outgoing_name / *path)) {
      move_file(files, scratch / outgoing_name / *path, folder / *path);
    }
  }
  sync_folders(files, folder);
  files.remove_all(scratch / journal_name);
}

}  // namespace

std::vector<std::string> entries_inside(const FileSystem& files, const fs::path& folder) {
  std::vector<std::string> entries;
  std::error_code failure;
  for (fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, failure),
       end;
       !failure && at != end; at.increment(failure)) {
    if (!fs::is_directory(at->symlink_status(failure))) {
      entries.push_back(at->path().lexically_relative(folder).generic_string());
    } else if (is_scratch(files, at->path())) {
      at.disable_recursion_pending();
    }
  }
  if (failure) {
    throw Error{.code = ErrorCode::io_failure,
                .where = folder.string(),
                .found = failure.message(),
                .expected = "a folder that can be read",
                .remedy = "Check its permissions"};
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

void exchange_files(FileSystem& files, const fs::path& folder, const fs::path& scratch) {
  const FolderLock lock(folder);
  const Journal journal = plan_exchange(files, folder, scratch);
  sync_folders(files, scratch / incoming_name);  // 1.
  try {
    files.write_atomic(scratch / journal_name,
                       pretty_json({{"leaving", journal.leaving}, {"coming", journal.coming}}));  // 2.
    move_forward(files, folder, scratch, journal);                                                // 3. to 5.
  } catch (const Error&) {
    try {
      move_back(files, folder, scratch, journal);
    } catch (const Error&) {
      // The first error is what the caller must hear; the journal stays, and finish_exchange goes forward.
    }
    throw;
  }
  files.remove_all(scratch / journal_name);  // 6.
}

bool exchange_is_unfinished(const FileSystem& files, const fs::path& scratch) {
  return files.exists(scratch / journal_name);
}

void finish_exchange(FileSystem& files, const fs::path& folder, const fs::path& scratch) {
  if (!exchange_is_unfinished(files, scratch)) {
    return;
  }
  const FolderLock lock(folder);
  move_forward(files, folder, scratch, read_journal(files, scratch / journal_name));
  files.remove_all(scratch / journal_name);
}

}  // namespace cce
