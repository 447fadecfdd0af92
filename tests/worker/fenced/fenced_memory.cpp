#include "tests/worker/fenced/fenced_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/error.h"

namespace cce {
namespace {

[[noreturn]] void refuse(const char* call) {
  throw Error{.code = ErrorCode::io_failure,
              .where = "fenced memory",
              .found = std::string(call) + ": " + std::strerror(errno),
              .expected = {},
              .remedy = {}};
}

}  // namespace

FencedMemory::FencedMemory() {
  const int file = memfd_create("fenced-memory", MFD_CLOEXEC);
  if (file < 0) {
    refuse("memfd_create");
  }
  const bool sized = ftruncate(file, static_cast<off_t>(bytes)) == 0;
  if (sized) {
    fence_ = mmap(nullptr, bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file, 0);
    open_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
  }
  close(file);
  if (!sized || fence_ == MAP_FAILED || open_ == MAP_FAILED) {
    refuse("mapping it twice");
  }
}

FencedMemory::~FencedMemory() {
  munmap(fence_, bytes);
  munmap(open_, bytes);
}

void* FencedMemory::take(std::size_t wanted) {
  constexpr std::size_t page = 4096;
  const std::size_t rounded = (wanted + page - 1) / page * page;
  if (rounded > bytes - next_) {
    return nullptr;
  }
  void* const result = static_cast<std::byte*>(fence_) + next_;
  next_ += rounded;
  return result;
}

// Addresses are never handed out twice: the pool gives pieces back seldom.
void FencedMemory::give_back(void*) noexcept {}

}  // namespace cce
