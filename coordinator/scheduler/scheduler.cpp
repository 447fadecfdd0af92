#include "coordinator/scheduler/scheduler.h"

#include "common/base/error.h"

namespace cce {

void check_run_name(const std::string& name) {
  constexpr const char* letters_and_digits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const bool good = !name.empty() && name.size() <= 100 && name.find_first_of(letters_and_digits) == 0 &&
                    name.find_first_not_of(std::string(letters_and_digits) + "._-") == std::string::npos;
  if (!good) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "name of a run",
                .found = name,
                .expected = "1 to 100 letters, digits, '.', '_' and '-', first a letter or digit",
                .remedy = "Report this: it is a bug."};
  }
}

}  // namespace cce
