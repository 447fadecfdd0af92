#pragma once
#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <functional>

#include "worker/tensor/cuda/cuda_handles.h"
#include "worker/tensor/matrix.h"
#include "worker/tensor/memory_pool.h"

namespace cce {

/// The memory of the current GPU, for a MemoryPool.
class CudaRawMemory final : public RawMemory {
 public:
  void* take(std::size_t bytes) override;
  void give_back(void* memory) noexcept override;
  std::size_t free_bytes() override;
};

/// Queues the copy of a matrix to one of its shape and dtype. What lies in one run goes as one run: CUDA
/// copies rows only where they are less than 2 GiB apart (cudaDevAttrMaxPitch), and the only row of a packed
/// layer may be longer.
void queue_copy(const ConstMatrix& from, const Matrix& to, cudaMemcpyKind kind, cudaStream_t stream,
                const char* operation);

/// Host memory that a GPU copies from and to without the processor's help.
class PinnedBuffer {
 public:
  explicit PinnedBuffer(std::size_t bytes);
  ~PinnedBuffer() { cudaFreeHost(data_); }
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;
  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Copies between ordinary host memory and the GPU through two pinned buffers in turn: while the GPU moves
/// one, the host fills or empties the other, and kernels queued before go on. One thread; errors as
/// check_cuda.
class CudaStaging {
 public:
  /// `threads` ≥ 1 host threads move what is large.
  CudaStaging(cudaStream_t stream, int threads);
  /// Queues the copy in the stream; returns when `host` may be changed.
  void upload(const ConstMatrix& host, const Matrix& device);
  /// Returns when `host` holds the values, after all work queued before.
  void download(const ConstMatrix& device, const Matrix& host);

 private:
  static constexpr std::size_t slot_bytes = std::size_t{16} << 20;
  struct Slot {
    PinnedBuffer memory{slot_bytes};
    CudaEvent done;
  };
  /// Rows first … first + count of a matrix, or a part of one row that is larger than a slot.
  struct Piece {
    std::int64_t row = 0, rows = 0, col = 0, cols = 0;
  };
  static void for_each_piece(const ConstMatrix& shape, const std::function<void(const Piece&)>& work);
  /// A piece in a slot, dense.
  static Matrix in_slot(const Slot& slot, DType dtype, const Piece& piece) {
    return {slot.memory.data(), dtype, piece.rows, piece.cols, piece.cols};
  }
  /// Moves a piece between the slot (dense) and the host's rows.
  void copy_rows(std::byte* to, std::size_t to_pitch, const std::byte* from, std::size_t from_pitch,
                 std::size_t row_bytes, std::int64_t rows) const;

  cudaStream_t stream_;
  int threads_;
  std::array<Slot, 2> slots_;
  std::size_t next_slot_ = 0;
};

}  // namespace cce
