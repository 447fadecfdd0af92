#include "worker/tensor/cuda/cuda_memory.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "common/base/error.h"
#include "common/base/number_format.h"
#include "worker/tensor/cuda/cuda_error.h"
#include "worker/tensor/row_pointer.h"

namespace cce {

void* CudaRawMemory::take(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // the pool says what does not fit; later calls must not see this error again
    return nullptr;
  }
  check_cuda(status, "memory of the GPU");
  return memory;
}

void CudaRawMemory::give_back(void* memory) noexcept {
  cudaFree(memory);
}

std::size_t CudaRawMemory::free_bytes() {
  std::size_t free = 0;
  std::size_t total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "memory of the GPU");
  return free;
}

void queue_copy(const ConstMatrix& from, const Matrix& to, cudaMemcpyKind kind, cudaStream_t stream,
                const char* operation) {
  const auto bytes = [&](std::int64_t elements) {
    return static_cast<std::size_t>(elements) * size_in_bytes(from.dtype);
  };
  if (from.rows == 1 || (from.stride == from.cols && to.stride == to.cols)) {
    check_cuda(cudaMemcpyAsync(to.data, from.data, bytes(from.rows * from.cols), kind, stream), operation);
    return;
  }
  check_cuda(cudaMemcpy2DAsync(to.data, bytes(to.stride), from.data, bytes(from.stride), bytes(from.cols),
                               static_cast<std::size_t>(from.rows), kind, stream),
             operation);
}

PinnedBuffer::PinnedBuffer(std::size_t bytes) : bytes_(bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaMallocHost(&data, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw Error{.code = ErrorCode::does_not_fit,
                .where = "pinned memory of the host",
                .found = format_bytes(static_cast<std::int64_t>(bytes)) + " that the system refused",
                .expected = "memory that a GPU copies from",
                .remedy =
                    "Raise the limit of locked memory (ulimit -l), ask the cluster for more memory, or "
                    "start fewer ranks on this machine"};
  }
  check_cuda(status, "pinned memory of the host");
  data_ = static_cast<std::byte*>(data);
}

CudaStaging::CudaStaging(cudaStream_t stream, int threads) : stream_(stream), threads_(threads) {}

void CudaStaging::for_each_piece(const ConstMatrix& shape, const std::function<void(const Piece&)>& work) {
  if (shape.empty()) {
    return;
  }
  const auto slot_elements = static_cast<std::int64_t>(slot_bytes / size_in_bytes(shape.dtype));
  if (shape.cols > slot_elements) {
    for (std::int64_t row = 0; row < shape.rows; ++row) {
      for (std::int64_t col = 0; col < shape.cols; col += slot_elements) {
        work({row, 1, col, std::min(slot_elements, shape.cols - col)});
      }
    }
    return;
  }
  const std::int64_t rows = slot_elements / shape.cols;
  for (std::int64_t row = 0; row < shape.rows; row += rows) {
    work({row, std::min(rows, shape.rows - row), 0, shape.cols});
  }
}

void CudaStaging::copy_rows(std::byte* to, std::size_t to_pitch, const std::byte* from,
                            std::size_t from_pitch, std::size_t row_bytes, std::int64_t rows) const {
  constexpr std::size_t worth_sharing_bytes = std::size_t{1} << 20;
  const std::size_t bytes = row_bytes * static_cast<std::size_t>(rows);
  if (rows == 1 || (to_pitch == row_bytes && from_pitch == row_bytes)) {  // one run: parts of any size
    rows = std::clamp<std::int64_t>(static_cast<std::int64_t>(bytes / worth_sharing_bytes), 1, threads_);
    if (rows == 1) {
      std::memcpy(to, from, bytes);
      return;
    }
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::int64_t part = 0; part < rows; ++part) {
      const std::size_t first = bytes * static_cast<std::size_t>(part) / static_cast<std::size_t>(rows);
      const std::size_t last = bytes * static_cast<std::size_t>(part + 1) / static_cast<std::size_t>(rows);
      std::memcpy(to + first, from + first, last - first);
    }
    return;
  }
#pragma omp parallel for num_threads(threads_) schedule(static) if (bytes > worth_sharing_bytes)
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto index = static_cast<std::size_t>(row);
    std::memcpy(to + index * to_pitch, from + index * from_pitch, row_bytes);
  }
}

void CudaStaging::upload(const ConstMatrix& host, const Matrix& device) {
  const std::size_t element = size_in_bytes(host.dtype);
  for_each_piece(host, [&](const Piece& piece) {
    Slot& slot = slots_[next_slot_];
    next_slot_ = 1 - next_slot_;
    slot.done.wait();
    const std::size_t row_bytes = static_cast<std::size_t>(piece.cols) * element;
    copy_rows(slot.memory.data(), row_bytes, element_of(host, piece.row, piece.col),
              static_cast<std::size_t>(host.stride) * element, row_bytes, piece.rows);
    queue_copy(in_slot(slot, host.dtype, piece), device.block(piece.row, piece.col, piece.rows, piece.cols),
               cudaMemcpyHostToDevice, stream_, "upload");
    slot.done.record(stream_);
  });
}

void CudaStaging::download(const ConstMatrix& device, const Matrix& host) {
  const std::size_t element = size_in_bytes(device.dtype);
  struct Arriving {
    Slot* slot;
    Piece piece;
  };
  std::optional<Arriving> arriving;
  const auto receive = [&] {
    if (arriving) {
      const Piece& piece = arriving->piece;
      const std::size_t row_bytes = static_cast<std::size_t>(piece.cols) * element;
      arriving->slot->done.wait();
      copy_rows(element_of(host, piece.row, piece.col), static_cast<std::size_t>(host.stride) * element,
                arriving->slot->memory.data(), row_bytes, row_bytes, piece.rows);
    }
  };
  for_each_piece(device, [&](const Piece& piece) {
    Slot& slot = slots_[next_slot_];
    next_slot_ = 1 - next_slot_;
    slot.done.wait();
    queue_copy(device.block(piece.row, piece.col, piece.rows, piece.cols), in_slot(slot, device.dtype, piece),
               cudaMemcpyDeviceToHost, stream_, "download");
    slot.done.record(stream_);
    receive();
    arriving = Arriving{&slot, piece};
  });
  receive();
}

}  // namespace cce
