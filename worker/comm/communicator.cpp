#include "worker/comm/communicator.h"

#include <exception>
#include <string>

namespace cce {

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
                             .remedy = "report this: it is a bug"});
    throw;
  }
}

}  // namespace cce
