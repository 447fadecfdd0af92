#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "worker/tensor/backend.h"
#include "worker/tensor/cuda/cuda_device.h"
#include "worker/tensor/cuda/cuda_handles.h"
#include "worker/tensor/cuda/cuda_memory.h"
#include "worker/tensor/memory_pool.h"

namespace cce {

/// Backend on one GPU. Every operation queues its work on one stream and returns; download() and the few
/// operations that hand numbers to the host wait; start_upload() alone has a stream of its own. Matrices are
/// dense row-major as everywhere; a matrix in GPU memory must not be read by the host, and the host spans of
/// embed, output_losses and output_gradient are ordinary host memory.
///
/// Memory comes from a pool and may be handed out again as soon as a Buffer is destroyed, because whoever
/// gets it next is queued behind on the same stream. Code that uses a second stream must order it by events
/// with stream(), before its first use of a Buffer and before the Buffer's end.
class CudaBackend final : public Backend {
 public:
  /// Errors: as make_cuda_backend.
  explicit CudaBackend(const CudaOptions& options);
  ~CudaBackend() override;

  /// "cuda:INDEX NAME".
  std::string_view device() const override { return name_; }
  bool host_memory() const override { return false; }
  bool has_fast_bf16() const override { return true; }
  DType kept_sum_dtype() const override { return DType::f32; }

  /// The queue of all of this backend's work; valid as long as the backend.
  cudaStream_t stream() const { return stream_; }
  int device_index() const { return options_.device; }
  int multiprocessors() const { return multiprocessors_; }
  std::size_t peak_bytes() const override { return pool_->use().peak_reserved_bytes; }
  std::optional<std::size_t> limit_bytes() const override { return pool_->limit_bytes(); }

  Buffer allocate(std::size_t bytes) override;
  void upload(ConstMatrix host, Matrix device) override;    ///< returns when `host` may be changed
  void download(ConstMatrix device, Matrix host) override;  ///< returns when `host` holds the values
  Buffer allocate_host(std::size_t bytes) override;         ///< pinned
  void start_upload(ConstMatrix host, Matrix device) override;
  void finish_uploads() override;
  void fill_zero(Matrix target) override;
  void synchronize() override;
  const OpTable& ops() const override;

  // ---- what its operations (ops/*/*_cuda.*) are made of
  const CublasHandle& blas() const { return blas_; }
  const CusolverHandle& solver() const { return solver_; }
  const CudaOptions& options() const { return options_; }

 private:
  /// A copy of host values in GPU memory, in the stream's order.
  template <typename T>
  Buffer on_device(std::span<const T> values) {
    return on_device(std::as_bytes(values));
  }
  Buffer on_device(std::span<const std::byte> bytes);
  /// Waits for the stream and fills `host` from `device`.
  template <typename T>
  void to_host(const void* device, std::span<T> host) {
    to_host(device, std::as_writable_bytes(host));
  }
  void to_host(const void* device, std::span<std::byte> host);

  CudaOptions options_;
  std::string name_;
  int multiprocessors_ = 0;
  CudaStream stream_;
  CudaStream upload_stream_;          ///< of start_upload
  CudaEvent queued_;                  ///< what an upload waits for
  std::shared_ptr<MemoryPool> pool_;  ///< shared with Buffers, which may outlive the backend
  CudaStaging staging_;
  CublasHandle blas_;
  CusolverHandle solver_;
  Buffer blas_workspace_;
};

}  // namespace cce
