#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file.h"

namespace cce {

/// What Open MPI's launcher finds around it on this machine, and what cce changes of that for its own mpirun, so
/// that it starts wherever cce does.

/// Whether mpirun gets a variable of this process's environment. Not those of an enclosing MPI job or step, by
/// which it would take itself for a part of that job, nor those of a site or user that say where and how ranks
/// are placed, which cce decides: of OMPI_*, PMIX_*, PMI_*, PRTE_* and SLURM's of a step, only OMPI_MCA_* of how
/// messages travel (btl, pml, mtl, coll, oob, mpi, opal) pass. What cce sets itself comes after, and wins.
bool mpi_inherits(std::string_view variable);

/// Where Open MPI keeps the files and sockets of a run, and the memory that ranks share.
struct MpiFolders {
  std::filesystem::path session;        ///< its TMPDIR
  std::filesystem::path shared_memory;  ///< of messages between ranks
};

/// The first folder of each kind that can be written, has room for this many ranks and, for the session's, a path
/// short enough for the sockets in it (an address has 107 bytes).
/// Errors: unsupported, naming what is wrong with each candidate.
MpiFolders find_mpi_folders(const FileSystem& files,
                            const std::vector<std::filesystem::path>& session_candidates,
                            const std::filesystem::path& shared_memory, std::int64_t ranks);

/// $OMPI_MCA_orte_tmpdir_base, $TMPDIR, /tmp, /var/tmp, /dev/shm: those that are set.
std::vector<std::filesystem::path> session_candidates();

/// Errors: unsupported where Open MPI cannot start on a machine of this host name and no other can be given it.
void check_host_name();

}  // namespace cce
