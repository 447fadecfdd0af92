#pragma once
#include <string>
#include <string_view>

#include "worker/comm/communicator.h"

namespace cce {

/// Where a rank runs among the others.
struct Placement {
  std::string host;
  int hosts = 1;  ///< different hosts among all ranks; 1 means that all may map the same checkpoint
  int local_rank =
      0;  ///< this rank's place among the ranks on its host, in order of rank: which GPU, which cores
  int local_size = 1;  ///< ranks on its host
};

/// This machine's name: in a Slurm job the node's (SLURMD_NODENAME), else the kernel's. Errors: io_failure.
std::string host_name();

/// A collective: every rank calls it with the name of its own host.
Placement find_placement(Communicator& communicator, std::string_view own_host);

}  // namespace cce
