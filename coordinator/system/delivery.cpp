#include "coordinator/system/delivery.h"

#include <algorithm>
#include <map>
#include <string>
#include <system_error>
#include <utility>

#include "common/base/digest.h"
#include "common/base/error.h"
#include "coordinator/system/checksums.h"
#include "coordinator/system/clone_file.h"
#include "coordinator/system/folder_exchange.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_named = 3;
constexpr const char* replaced_name = "replaced";

Error refusal(const fs::path& output, const std::string& found, const std::string& expected,
              const std::string& remedy) {
  return Error{.code = ErrorCode::impossible_combination,
               .where = "output " + output.string(),
               .found = found,
               .expected = expected,
               .remedy = remedy};
}

// ---- what no output may be

/// A job folder or a server's data folder, by what only they hold.
bool is_kept_by_cce(const fs::path& folder) {
  std::error_code ignored;
  const bool is_job = fs::exists(folder / "spec.json", ignored) &&
                      fs::is_directory(folder / "state", ignored) &&
                      fs::is_directory(folder / "control", ignored);
  return is_job ||
         (fs::exists(folder / "jobs.sqlite", ignored) && fs::is_directory(folder / "jobs", ignored));
}

void check_guards(const fs::path& output, const OutputPlace& place, const DeliveryGuards& guards) {
  const char* elsewhere = "Choose another --out";
  for (fs::path step = place.folder; step.has_relative_path(); step = step.parent_path()) {
    if (is_kept_by_cce(step)) {
      throw refusal(output, step.string() + ", where jobs are kept", "a folder apart from every job's folder",
                    elsewhere);
    }
  }
  if (!guards.job.empty()) {
    const fs::path job = find_output_place(guards.job).folder;
    if (is_inside(place.folder, job) || is_inside(job, place.folder)) {
      throw refusal(output, "the job's own folder " + job.string() + " there",
                    "an output and a job that lie apart", "Choose another --out or --job");
    }
  }
  for (const fs::path& input : guards.inputs) {
    std::error_code error;
    const fs::path resolved = fs::weakly_canonical(input, error);
    if (!error && is_inside(resolved, place.folder)) {
      throw refusal(output, "the job's input " + input.string() + " there", "an output without inputs in it",
                    elsewhere);
    }
  }
}

// ---- what is there

/// Neither a link nor a pipe, which would be waited for.
bool is_plain_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(fs::symlink_status(path, ignored));
}

/// The files that the result in `folder` lists, each with its digest; empty where there is no result.
std::map<std::string, std::string> listed_files(const FileSystem& files, const fs::path& folder) {
  const fs::path list = folder / checksums_name;
  if (!is_plain_file(list) || !is_plain_file(folder / "report.json")) {
    return {};
  }
  try {
    return parse_checksums(files.read_text(list), list.string());
  } catch (const Error&) {
    return {};
  }
}

/// What `folder` holds besides a result as it was delivered.
std::vector<std::string> foreign_files(const FileSystem& files, const fs::path& folder) {
  const std::map<std::string, std::string> listed = listed_files(files, folder);
  std::vector<std::string> foreign;
  for (const std::string& path : entries_inside(files, folder)) {
    if (path == checksums_name && !listed.empty()) {
      continue;
    }
    const auto known = listed.find(path);
    if (known == listed.end() || !is_plain_file(folder / path)) {
      foreign.push_back(path);
    } else if (digest_of_file(files, folder / path) != known->second) {
      foreign.push_back(path + " (changed)");
    }
  }
  return foreign;
}

std::string some_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(most_named, names.size()); ++i) {
    text.append(i == 0 ? "" : ", ").append(names[i]);
  }
  if (names.size() > most_named) {
    text.append(" and ").append(std::to_string(names.size() - most_named)).append(" more");
  }
  return text;
}

void check_contents(const FileSystem& files, const fs::path& output, const OutputPlace& place, bool force) {
  if (force) {
    return;
  }
  std::error_code ignored;
  if (!place.exists) {
    if (fs::exists(fs::symlink_status(place.folder, ignored))) {
      throw refusal(output, "a file", "a new or empty folder, or an earlier result",
                    "Choose another --out, or replace it with --force");
    }
    return;
  }
  const std::vector<std::string> foreign = foreign_files(files, place.folder);
  if (!foreign.empty()) {
    throw refusal(output, "something that is not an earlier result: " + some_of(foreign),
                  "a new or empty folder, or an earlier result as it was delivered",
                  "Choose another --out, move these files away, or replace all of it with --force");
  }
}

// ---- what earlier processes left

/// Gives a delivery's space back. Where that fails, what the caller must hear is how the delivery went.
void drop_scratch(FileSystem& files, ScratchFolder& scratch) {
  try {
    if (!exchange_is_unfinished(files, scratch.path())) {
      scratch.remove(files);
    }
  } catch (const Error&) {
    return;  // the next delivery finds it by its mark
  }
}

/// What a killed delivery or fetch left here without having begun to move files is dropped; with its journal
/// it is carried to its end.
void settle_scratch(FileSystem& files, const OutputPlace& place) {
  for (ScratchFolder& scratch : abandoned_for(files, place, "")) {
    if (is_inside(scratch.path(), place.folder)) {
      finish_exchange(files, place.folder, scratch.path());
    }
    std::error_code ignored;
    const fs::path replaced = scratch.path() / replaced_name;
    if (files.exists(replaced) && !fs::exists(fs::symlink_status(place.folder, ignored))) {
      files.rename(replaced, place.folder);
      files.sync_directory(place.folder.parent_path());
    }
    drop_scratch(files, scratch);
  }
}

/// A folder that can be made can be filled.
void try_writing(FileSystem& files, const fs::path& output, const OutputPlace& place) {
  const fs::path parent = existing_ancestor(place.scratch_parent());
  for (fs::path step = place.scratch_parent(); step != parent; step = step.parent_path()) {
    std::error_code ignored;
    if (fs::is_symlink(fs::symlink_status(step, ignored))) {
      throw refusal(output, "the link " + step.string() + " to nothing", "folders, or names that are free",
                    "Make the folder that it leads to, or choose another --out");
    }
  }
  try {
    ScratchFolder::make(files, parent, place.scratch_prefix("")).remove(files);
  } catch (const Error& error) {
    if (error.code == ErrorCode::disk_full) {
      throw;
    }
    throw refusal(output, parent.string() + ": " + error.found, "a place where this user may write",
                  "Choose another --out, or change the permissions there");
  }
}

void copy_files(FileSystem& files, const fs::path& from, const fs::path& to) {
  files.make_directory(to);
  for (const std::string& name : files.list(from)) {
    if (files.is_directory(from / name)) {
      copy_files(files, from / name, to / name);
    } else {
      copy_file(files, from / name, to / name);
    }
  }
  files.sync_directory(to);
}

/// Into a new place, or that of a file which `force` gives up. A folder that came there meanwhile is an
/// error, unless it is empty.
void rename_in(FileSystem& files, const ScratchFolder& scratch, const fs::path& folder, bool force) {
  const fs::path replaced = scratch.path() / replaced_name;
  std::error_code ignored;
  const fs::file_status status = fs::symlink_status(folder, ignored);
  const bool is_replaced = force && fs::exists(status) && !fs::is_directory(status);
  if (is_replaced) {
    files.rename(folder, replaced);
  }
  try {
    files.rename(scratch.path() / incoming_name, folder);
  } catch (const Error&) {
    if (is_replaced) {
      files.rename(replaced, folder);
    }
    throw;
  }
  files.sync_directory(folder.parent_path());
}

}  // namespace

void check_deliverable(FileSystem& files, const fs::path& output, bool force, const DeliveryGuards& guards) {
  const OutputPlace place = find_output_place(output);
  check_guards(output, place, guards);
  settle_scratch(files, place);
  check_contents(files, output, place, force);
  try_writing(files, output, place);
}

std::vector<ScratchFolder> abandoned_for(FileSystem& files, const OutputPlace& place,
                                         const std::string& kind) {
  std::vector<ScratchFolder> found =
      abandoned_scratch(files, place.folder.parent_path(), place.as_new().scratch_prefix(kind));
  if (place.exists) {
    for (ScratchFolder& scratch : abandoned_scratch(files, place.folder, place.scratch_prefix(kind))) {
      found.push_back(std::move(scratch));
    }
  }
  return found;
}

void put_in_place(FileSystem& files, ScratchFolder& scratch, const OutputPlace& place, bool force) {
  if (place.exists) {
    exchange_files(files, place.folder, scratch.path());
  } else {
    rename_in(files, scratch, place.folder, force);
  }
  drop_scratch(files, scratch);
}

void deliver_result(FileSystem& files, const fs::path& result, const fs::path& output, bool force) {
  const OutputPlace place = find_output_place(output);
  check_guards(output, place, {});
  files.make_directory(place.scratch_parent());
  settle_scratch(files, place);
  check_contents(files, output, place, force);
  ScratchFolder scratch = ScratchFolder::make(files, place.scratch_parent(), place.scratch_prefix(""));
  try {
    copy_files(files, result, scratch.path() / incoming_name);
    put_in_place(files, scratch, place, force);
  } catch (const Error&) {
    drop_scratch(files, scratch);
    throw;
  }
}

std::string delivered_identity(const FileSystem& files, const fs::path& output) {
  const fs::path list = find_output_place(output).folder / checksums_name;
  return is_plain_file(list) ? digest_of_file(files, list) : std::string();
}

}  // namespace cce
