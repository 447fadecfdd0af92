#pragma once
#include <memory>
#include <vector>

#include "tests/worker/fenced/fenced_memory.h"
#include "worker/tensor/backend.h"

namespace cce {

/// The CPU backend with memory that only its own operations can reach, as a GPU's would be. Host code that
/// reads a matrix of it is killed by a segmentation fault; an operation that is given the host's memory, or a
/// copy that is given the wrong kind on either side, throws invalid_argument. New memory holds NaN in every
/// dtype, and so does memory that an upload is started to, until it is finished: then alone it is copied.
class FencedBackend final : public Backend {
 public:
  explicit FencedBackend(int threads, DType kept_sum_dtype = DType::f64);

  std::string_view device() const override { return "fenced cpu"; }
  bool host_memory() const override { return false; }
  bool has_fast_bf16() const override { return cpu_->has_fast_bf16(); }
  DType kept_sum_dtype() const override { return kept_sum_dtype_; }
  std::optional<std::size_t> limit_bytes() const override { return pool_->limit_bytes(); }

  Buffer allocate(std::size_t bytes) override;
  void upload(ConstMatrix host, Matrix device) override;
  void download(ConstMatrix device, Matrix host) override;
  Buffer allocate_host(std::size_t bytes) override { return cpu_->allocate(bytes); }
  void start_upload(ConstMatrix host, Matrix device) override;
  void finish_uploads() override;
  std::size_t uploads_under_way() const { return uploads_.size(); }
  void synchronize() override {}
  void fill_zero(Matrix target) override;
  void convert(ConstMatrix source, Matrix target) override;

  void multiply(ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b, Matrix c,
                double alpha, double beta) override;
  void gram(ConstMatrix features, Matrix gram) override;

  void add(ConstMatrix source, Matrix target, double alpha) override;
  void add_bias(ConstMatrix bias, Matrix x) override;
  void scale_rows(ConstMatrix source, ConstMatrix scale, Matrix target) override;
  void row_squared_norms(ConstMatrix x, Matrix out) override;
  void column_sums(ConstMatrix x, ConstMatrix weight, Matrix out) override;

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

  [[nodiscard]] std::optional<std::int64_t> cholesky(Matrix a) override;
  void cholesky_solve(ConstMatrix factor, Matrix right_side) override;
  void cholesky_inverse(Matrix factor) override;
  void triangular_solve(ConstMatrix lower, Transpose transpose, Matrix right_side) override;
  void eigen_symmetric(Matrix a, Matrix values) override;
  void eigenvalues_symmetric(Matrix a, Matrix values) override;
  void singular_values(Matrix a, Matrix u, Matrix values, Matrix v_transposed) override;
  void qr(Matrix a, Matrix r) override;

 private:
  /// The matrix of an operation where the CPU backend reaches it. Errors: invalid_argument.
  Matrix in(Matrix matrix) const;
  ConstMatrix in(ConstMatrix matrix) const;
  /// Errors: invalid_argument unless the matrix is the host's.
  void expect_host(const char* copy, ConstMatrix matrix) const;

  struct Upload {
    ConstMatrix host;
    Matrix device;
  };

  std::unique_ptr<Backend> cpu_;
  DType kept_sum_dtype_;
  std::vector<Upload> uploads_;
  const FencedMemory* memory_;        ///< the pool's
  std::shared_ptr<MemoryPool> pool_;  ///< shared with Buffers, which may outlive the backend
};

}  // namespace cce
