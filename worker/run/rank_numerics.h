#pragma once
#include <span>
#include <string>

#include "common/base/file.h"
#include "common/job/numerics_identity.h"
#include "worker/comm/communicator.h"
#include "worker/tensor/backend.h"
#include "worker/tensor/library_checks.h"
#include "worker/tensor/numeric_libraries.h"

namespace cce {

/// What this rank computes with, found by asking the libraries and by letting them work (check_libraries;
/// `precision` is its):
///   device          "cpu" or "cuda", without the index of the one device
///   threads         of this rank
///   C library       whose exp, log and their like every kernel calls
///   each of `libraries`, which are the backend's, by its name: version and kernels
///   small products  the digest of check_libraries; on the CPU alone, where it was seen to repeat
/// The build is the program's version and a digest of the file that runs: states are told apart by it, too.
/// Errors: those of check_libraries; io_failure.
NumericsIdentity find_numerics(const FileSystem& files, Backend& backend,
                               std::span<const NumericLibrary> libraries, int threads,
                               const ProductPrecision& precision);

/// Brings the identities of all ranks together. A collective; `host` is this machine's name. Errors:
/// impossible_combination, the same on every rank, where they differ.
void compare_ranks(Communicator& communicator, const std::string& host, const NumericsIdentity& identity);

}  // namespace cce
