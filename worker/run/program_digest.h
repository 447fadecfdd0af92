#pragma once
#include <string>

#include "common/base/file.h"
#include "worker/comm/communicator.h"

namespace cce {

/// SHA-256 of the program that every rank runs: what its states are told apart by from those of other builds.
/// Collective. Errors: impossible_combination where ranks run programs that differ; io_failure.
std::string shared_program_digest(const FileSystem& files, Communicator& communicator);

}  // namespace cce
