#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "common/base/file.h"
#include "coordinator/client/client_service.h"

namespace cce {

struct FetchCallbacks {
  std::function<void(std::int64_t done_bytes, std::int64_t total_bytes)> progress;
  std::function<void(const std::string&)> note;  ///< sentences about the connection
  std::function<bool()> keep_going;
};

/// Brings a finished job's result to `output`, whole or not at all.
///   1. the list of files, and whether `output` may be written (check_deliverable)
///   2. each file into a scratch folder (scratch_folder.h) beside `output`, or in it where it exists, from
///      where an earlier fetch of the same result stopped; a connection that breaks is made again, up to
///      `give_up_seconds` without a byte
///   3. sizes, and the digests that the result's SHA256SUMS lists   4. put_in_place (delivery.h)
/// What was brought stays in the scratch folder when a fetch is stopped. Errors: cancelled when keep_going
/// says no; verification_failed for a file of another size or digest (it is removed, so that the next fetch
/// brings it anew); those of ServiceClient, check_deliverable and FileSystem.
void fetch_result(FileSystem& files, const ServiceClient& service, const std::string& id,
                  const std::filesystem::path& output, bool force, const FetchCallbacks& callbacks,
                  double give_up_seconds = 600.0);

}  // namespace cce
