#include "coordinator/scheduler/mpi_surroundings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "common/base/error.h"
#include "common/base/number_format.h"
#include "coordinator/system/host_name.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t mebibyte = std::int64_t{1} << 20;
/// A session's files: what ranks know of each other, and room to spare.
constexpr std::int64_t session_bytes = 4 * mebibyte;
/// Of each rank: btl_vader_segment_size is 4 MiB, and fragments beyond it are few.
constexpr std::int64_t shared_bytes_of_rank = 5 * mebibyte;
/// Behind it come ompi.HOST.USER/pid.NUMBER/0/0 and the name of a socket.
constexpr std::size_t longest_session_path = 48;

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(),
                     [text](std::string_view start) { return text.starts_with(start); });
}

/// Why Open MPI cannot use a folder; empty where it can.
std::string trouble_with(const FileSystem& files, const fs::path& folder, std::int64_t bytes,
                         std::size_t longest_path) {
  if (!files.is_directory(folder)) {
    return "is no folder";
  }
  if (folder.string().size() > longest_path) {
    return "has a path of more than " + std::to_string(longest_path) + " characters";
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return "cannot be written";
  }
  const std::int64_t free = files.free_bytes(folder);
  return free < bytes ? "has " + format_bytes(free) + " free, not " + format_bytes(bytes) : "";
}

}  // namespace

bool mpi_inherits(std::string_view variable) {
  if (starts_with_any(variable, {"OMPI_MCA_btl", "OMPI_MCA_pml", "OMPI_MCA_mtl", "OMPI_MCA_coll",
                                 "OMPI_MCA_oob", "OMPI_MCA_mpi_", "OMPI_MCA_opal_"})) {
    return true;
  }
  return !starts_with_any(variable,
                          {"OMPI_", "PMIX_", "PMI_", "PRTE_", "SLURM_STEP", "SLURM_PROCID", "SLURM_LOCALID",
                           "SLURM_NODEID", "SLURM_GTIDS", "SLURM_TASK_PID", "SLURM_LAUNCH_NODE_IPADDR"});
}

std::vector<fs::path> session_candidates() {
  std::vector<fs::path> candidates;
  for (const char* name : {"OMPI_MCA_orte_tmpdir_base", "TMPDIR"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') {
      candidates.emplace_back(value);
    }
  }
  candidates.insert(candidates.end(), {"/tmp", "/var/tmp", "/dev/shm"});
  return candidates;
}

MpiFolders find_mpi_folders(const FileSystem& files, const std::vector<fs::path>& candidates,
                            const fs::path& shared_memory, std::int64_t ranks) {
  const std::int64_t shared_bytes = ranks * shared_bytes_of_rank;
  const bool shares_there = trouble_with(files, shared_memory, shared_bytes, std::string::npos).empty();
  std::string troubles;
  for (const fs::path& folder : candidates) {
    const std::int64_t bytes = session_bytes + (shares_there ? 0 : shared_bytes);
    const std::string trouble = trouble_with(files, folder, bytes, longest_session_path);
    if (trouble.empty()) {
      return {.session = folder, .shared_memory = shares_there ? shared_memory : folder};
    }
    troubles += (troubles.empty() ? "" : "; ") + folder.string() + " " + trouble;
  }
  throw Error{.code = ErrorCode::unsupported,
              .where = "starting mpirun",
              .found = "no folder for the files that Open MPI keeps while it runs: " + troubles,
              .expected = "one with a short path that can be written",
              .remedy = "Free some space in /tmp, or set TMPDIR to a folder with room and a path of up to " +
                        std::to_string(longest_session_path) + " characters"};
}

void check_host_name() {
  const std::string name = host_name();
  if (!suits_mpi(name) && !can_take_host_name()) {
    throw Error{
        .code = ErrorCode::unsupported,
        .where = "starting mpirun",
        .found = "the host name '" + name + "', with which Open MPI cannot start",
        .expected = "up to 50 letters, digits, '-' and '.'",
        .remedy =
            "Give the machine or container another name (hostname NAME; docker run --hostname NAME), or "
            "run cce in one of its own: unshare --user --map-current-user --uts sh -c 'hostname cce; "
            "cce ...'"};
  }
}

}  // namespace cce
