#include "worker/comm/placement.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <span>
#include <system_error>
#include <vector>

namespace cce {

std::string host_name() {
  const char* node = std::getenv("SLURMD_NODENAME");
  if (node != nullptr && *node != '\0') {
    return node;
  }
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) {
    throw Error{.code = ErrorCode::io_failure,
                .where = "gethostname",
                .found = std::system_category().message(errno),
                .expected = "the name of this machine",
                .remedy = "Set the host's name"};
  }
  return name.data();
}

Placement find_placement(Communicator& communicator, std::string_view own_host) {
  const auto blobs = communicator.all_gather(std::as_bytes(std::span(own_host)));
  std::vector<std::string> names;
  for (const auto& blob : blobs) {
    std::string& name = names.emplace_back();
    for (const std::byte value : blob) {
      name.push_back(static_cast<char>(value));
    }
  }
  const auto self = names.begin() + communicator.rank();
  return {.host = std::string(own_host),
          .hosts = static_cast<int>(std::set(names.begin(), names.end()).size()),
          .local_rank = static_cast<int>(std::count(names.begin(), self, own_host)),
          .local_size = static_cast<int>(std::count(names.begin(), names.end(), own_host))};
}

}  // namespace cce
