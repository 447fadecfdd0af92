#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "worker/tensor/backend.h"
#include "worker/tensor/cuda_device.h"
#include "worker/tensor/cuda_handles.h"
#include "worker/tensor/cuda_memory.h"
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
///
/// Each group of operations is defined in the file named above it.
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
  const MemoryPool::Use& memory_use() const { return pool_->use(); }
  std::size_t peak_bytes() const override { return pool_->use().peak_reserved_bytes; }
  std::optional<std::size_t> limit_bytes() const override { return pool_->limit_bytes(); }

  // cuda_backend.cpp
  Buffer allocate(std::size_t bytes) override;
  void upload(ConstMatrix host, Matrix device) override;    ///< returns when `host` may be changed
  void download(ConstMatrix device, Matrix host) override;  ///< returns when `host` holds the values
  Buffer allocate_host(std::size_t bytes) override;         ///< pinned
  void start_upload(ConstMatrix host, Matrix device) override;
  void finish_uploads() override;
  void fill_zero(Matrix target) override;
  void synchronize() override;

  // the operations' own files, cuda_*.cu
  void convert(ConstMatrix source, Matrix target) override;
  void multiply(ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b, Matrix c,
                double alpha, double beta) override;
  void gram(ConstMatrix features, Matrix gram) override;

  void add(ConstMatrix source, Matrix target, double alpha) override;
  void add_bias(ConstMatrix bias, Matrix x) override;
  void scale_rows(ConstMatrix source, ConstMatrix scale, Matrix target) override;
  void row_squared_norms(ConstMatrix x, Matrix out) override;
  void column_sums(ConstMatrix x, ConstMatrix weight, Matrix out) override;

  // cuda_selections.cu
  void gather(ConstMatrix source, std::span<const std::int32_t> rows, std::span<const std::int32_t> cols,
              Matrix target) override;
  void scatter(ConstMatrix source, std::span<const std::int32_t> rows, std::span<const std::int32_t> cols,
               Matrix target) override;
  void transpose(ConstMatrix source, Matrix target) override;

  void embed(std::span<const std::int32_t> ids, ConstMatrix table, Matrix out) override;
  void rms_norm(ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) override;
  void rms_norm_backward(ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                         Matrix d_x) override;
  void rope(Matrix x, const RopeTable& table, std::int64_t kv_groups, std::int64_t heads_per_group,
            std::int64_t length, std::int64_t first_position, bool inverse) override;
  void attention_forward(const AttentionShape& shape, ConstMatrix q, ConstMatrix k, ConstMatrix v, Matrix out,
                         Matrix log_sum_exp) override;
  void attention_backward(const AttentionShape& shape, ConstMatrix q, ConstMatrix k, ConstMatrix v,
                          ConstMatrix out, ConstMatrix log_sum_exp, ConstMatrix d_out, Matrix d_q, Matrix d_k,
                          Matrix d_v) override;
  void attention_variance(const AttentionShape& shape, ConstMatrix q, ConstMatrix k, ConstMatrix log_sum_exp,
                          std::int64_t first_query, Matrix variance) override;
  void swiglu(ConstMatrix gate, ConstMatrix up, Matrix out) override;
  void swiglu_backward(ConstMatrix d_out, ConstMatrix gate, ConstMatrix up, Matrix d_gate,
                       Matrix d_up) override;

  void output_losses(ConstMatrix hidden, ConstMatrix head, std::span<const std::int32_t> labels,
                     Matrix losses) override;
  void output_gradient(ConstMatrix hidden, ConstMatrix head, std::span<std::int32_t> labels,
                       std::span<const float> uniforms, Matrix losses, Matrix d_hidden) override;
  void output_divergence(ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher, ConstMatrix teacher_head,
                         double scale, Matrix divergence, Matrix d_hidden) override;

  void add_inner_product(ConstMatrix a, ConstMatrix b, Matrix sum) override;
  void rms_norm_gain_gradient(ConstMatrix d_out, ConstMatrix x, double epsilon, Matrix d_gain) override;
  void relative_error(ConstMatrix x, ConstMatrix target, double scale, Matrix losses,
                      Matrix gradient) override;
  void adamw(const AdamWStep& step, ConstMatrix gradient, Matrix weights, Matrix m, Matrix v,
             Matrix copy) override;

  // cuda_solvers.cu
  [[nodiscard]] std::optional<std::int64_t> cholesky(Matrix a) override;
  void cholesky_solve(ConstMatrix factor, Matrix right_side) override;
  void cholesky_inverse(Matrix factor) override;
  void triangular_solve(ConstMatrix lower, Transpose transpose, Matrix right_side) override;
  void eigen_symmetric(Matrix a, Matrix values) override;
  void eigenvalues_symmetric(Matrix a, Matrix values) override;
  void singular_values(Matrix a, Matrix u, Matrix values, Matrix v_transposed) override;
  void qr(Matrix a, Matrix r) override;

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
