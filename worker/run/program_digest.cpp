#include "worker/run/program_digest.h"

#include <cstddef>
#include <span>

#include "common/base/digest.h"
#include "common/base/error.h"

namespace cce {
namespace {

constexpr const char* running_program = "/proc/self/exe";

}  // namespace

std::string shared_program_digest(const FileSystem& files, Communicator& communicator) {
  std::string first;
  int rank = 0;
  const std::string mine = digest_of_file(files, running_program);
  for (const auto& blob : communicator.all_gather(std::as_bytes(std::span(mine)))) {
    const std::string digest(reinterpret_cast<const char*>(blob.data()), blob.size());
    if (rank == 0) {
      first = digest;
    }
    if (digest != first) {
      throw Error{.code = ErrorCode::impossible_combination,
                  .where = "cce-worker",
                  .found = "another program on rank " + std::to_string(rank) + " than on rank 0",
                  .expected = "the same build on every rank",
                  .remedy = "Install one build on all nodes, or name one that they share with --worker"};
    }
    ++rank;
  }
  return first;
}

}  // namespace cce
