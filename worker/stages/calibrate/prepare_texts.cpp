#include "worker/stages/calibrate/prepare_texts.h"

#include <chrono>
#include <cstdint>
#include <future>
#include <span>

namespace cce {

void prepare_texts(StageContext& context) {
  std::future<void> work;
  if (context.rank() == 0) work = std::async(std::launch::async, [&] { context.texts.prepare(); });
  std::int64_t at_work = 1;
  while (at_work != 0) {
    if (context.rank() == 0)
      at_work = work.wait_for(std::chrono::seconds(1)) == std::future_status::timeout ? 1 : 0;
    context.communicator.broadcast(std::as_writable_bytes(std::span(&at_work, 1)), 0);
  }
  if (context.rank() == 0) work.get();
}

}  // namespace cce
