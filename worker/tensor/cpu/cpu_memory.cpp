#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "common/base/error.h"
#include "common/cost/limits.h"
#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/rows/row_ops.h"
#include "worker/tensor/row_pointer.h"

namespace cce {
namespace {

constexpr std::size_t cache_line_bytes = 64;
constexpr auto huge_page_bytes = static_cast<std::size_t>(cost::huge_page_bytes);

}  // namespace

Buffer CpuBackend::allocate(std::size_t bytes) {
  if (bytes == 0) {
    return {};
  }
  const bool large = bytes >= 2 * huge_page_bytes;
  const std::size_t alignment = large ? huge_page_bytes : cache_line_bytes;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* data = rounded < bytes ? nullptr : std::aligned_alloc(alignment, rounded);
  if (data == nullptr) {
    throw Error{.code = ErrorCode::does_not_fit,
                .where = "memory of the CPU backend",
                .found = "a request for " + std::to_string(bytes) + " bytes that the system refused",
                .expected = "memory for it",
                .remedy = "Use smaller micro-batches, more ranks, or a machine with more memory"};
  }
  if (large) {
    madvise(data, rounded, MADV_HUGEPAGE);  // only faster: where it is refused, small pages serve
  }
  return {data, bytes, std::shared_ptr<void>(data, [](void* memory) { std::free(memory); })};
}

std::byte* CpuBackend::grow(Buffer& buffer, std::size_t bytes) {
  if (buffer.bytes() < bytes) {
    buffer = {};
    buffer = allocate(bytes);
  }
  return static_cast<std::byte*>(buffer.data());
}

void CpuBackend::upload(ConstMatrix host, Matrix device) {
  check_shape("upload", "device", device, host.rows, host.cols);
  check_shape("upload", "host", host, host.rows, host.cols);
  check_dtype("upload", "device", device, {host.dtype});
  ops::convert(*this, host, device);
}

void CpuBackend::download(ConstMatrix device, Matrix host) {
  check_shape("download", "host", host, device.rows, device.cols);
  check_shape("download", "device", device, device.rows, device.cols);
  check_dtype("download", "host", host, {device.dtype});
  ops::convert(*this, device, host);
}

void CpuBackend::fill_zero(Matrix target) {
  check_shape("fill_zero", "target", target, target.rows, target.cols);
  const std::size_t row_bytes = static_cast<std::size_t>(target.cols) * size_in_bytes(target.dtype);
  in_parallel(target.empty() ? 0 : target.rows, target.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      std::memset(row_of(target, i), 0, row_bytes);
    }
  });
}

}  // namespace cce
