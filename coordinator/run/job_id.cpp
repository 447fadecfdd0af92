#include "coordinator/run/job_id.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/base/error.h"

namespace cce {
namespace {

constexpr std::size_t id_characters = 20;
constexpr const char* alphabet = "abcdefghijklmnopqrstuvwxyz234567";

}  // namespace

std::string make_job_id() {
  std::array<unsigned char, id_characters> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw Error{.code = ErrorCode::io_failure,
                .where = "getrandom",
                .found = std::strerror(errno),
                .expected = "random bytes",
                .remedy = "Try again; the kernel's random source does not answer."};
  }
  std::string id;
  for (const unsigned char byte : bytes) {
    id.push_back(alphabet[byte % 32]);
  }
  return id;
}

}  // namespace cce
