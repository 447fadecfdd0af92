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
                .remedy = ""};
  }
  std::string id;
  for (const unsigned char byte : bytes) {
    id.push_back(alphabet[byte % 32]);
  }
  return id;
}

bool is_job_id(const std::string& text) {
  return text.size() == id_characters && text.find_first_not_of(alphabet) == std::string::npos;
}

}  // namespace cce
