#include "worker/run/rank_numerics.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <vector>

#include "common/base/digest.h"
#include "common/base/version.h"

namespace cce {
namespace {

constexpr const char* running_program = "/proc/self/exe";

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return text;
}

/// "glibc 2.36"; "unknown" where the system does not tell.
std::string c_library() {
  std::array<char, 64> text{};
  return ::confstr(_CS_GNU_LIBC_VERSION, text.data(), text.size()) > 0 ? text.data() : "unknown";
}

}  // namespace

NumericsIdentity find_numerics(const FileSystem& files, Backend& backend,
                               std::span<const NumericLibrary> libraries, int threads,
                               const ProductPrecision& precision) {
  const std::string products = check_libraries(backend, libraries, precision);
  NumericsIdentity identity;
  identity.build =
      std::string(code_version).append(" ").append(digest_of_file(files, running_program).substr(0, 16));
  const std::string device(backend.device());
  identity.facts = {{"device", device.substr(0, device.find(':'))},
                    {"threads", std::to_string(threads)},
                    {"c_library", c_library()}};
  for (const NumericLibrary& library : libraries) {
    identity.facts.push_back(
        {lower_case(library.name), library.version + (library.kernel.empty() ? "" : " " + library.kernel)});
  }
  if (backend.host_memory()) {
    identity.facts.push_back({"small_products", products});
  }
  return identity;
}

void compare_ranks(Communicator& communicator, const std::string& host, const NumericsIdentity& identity) {
  const std::string mine = host + "\n" + to_json(identity);
  std::vector<RankNumerics> ranks;
  for (const auto& blob : communicator.all_gather(std::as_bytes(std::span(mine)))) {
    const std::string text(reinterpret_cast<const char*>(blob.data()), blob.size());
    const std::size_t end = text.find('\n');
    ranks.push_back(
        {text.substr(0, end),
         parse_numerics_identity(text.substr(end + 1), "numerics of rank " + std::to_string(ranks.size()))});
  }
  check_ranks_agree(ranks);
}

}  // namespace cce
