#include "worker/comm/communicator.h"

#include <cstdint>
#include <exception>
#include <limits>
#include <string>

namespace cce {

void check_options(const CommunicatorOptions& options) {
  constexpr auto limit = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
  if (options.message_bytes < sizeof(double) || options.message_bytes > limit) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "communicator, message_bytes",
                .found = std::to_string(options.message_bytes),
                .expected = "at least 8 and less than 2 GiB",
                .remedy = "Leave it at its default"};
  }
  if (!(options.deadline_seconds > 0.0 && options.deadline_seconds <= 1e9)) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "communicator, deadline_seconds",
                .found = std::to_string(options.deadline_seconds),
                .expected = "more than 0 and at most 1e9",
                .remedy = "Give the longest time that one rank may keep the others waiting"};
  }
}

void run_or_abort(Communicator& communicator, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    communicator.abort(error);
    throw;
  } catch (const std::exception& error) {
    communicator.abort(Error{.code = ErrorCode::worker_died,
                             .where = "worker",
                             .found = error.what(),
                             .expected = "an Error",
                             .remedy = "Report this: it is a bug"});
    throw;
  }
}

}  // namespace cce
