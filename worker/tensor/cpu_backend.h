#pragma once
#include <cstddef>
#include <functional>
#include <memory>

#include "worker/tensor/backend.h"
#include "worker/tensor/cpu_gemm.h"
#include "worker/tensor/kernels/table.h"

namespace cce {

/// Backend on the CPU: rows and attention by the kernels of this CPU's instruction set, f32 and bf16 products
/// by oneDNN, f64 by OpenBLAS and LAPACK. Work is split over threads so that no sum depends on how.
class CpuBackend final : public Backend {
 public:
  CpuBackend(int threads, const CpuKernels& kernels);
  ~CpuBackend() override;

  std::string_view device() const override { return "cpu"; }
  bool host_memory() const override { return true; }
  bool has_fast_bf16() const override;

  Buffer allocate(std::size_t bytes) override;
  Buffer allocate_host(std::size_t bytes) override { return allocate(bytes); }
  void upload(ConstMatrix host, Matrix device) override;
  void download(ConstMatrix device, Matrix host) override;
  void fill_zero(Matrix target) override;
  void convert(ConstMatrix source, Matrix target) override;
  void synchronize() override {}

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
  using RangeBody = std::function<void(std::int64_t first, std::int64_t last, int thread)>;

  /// Calls body once per thread on near-equal parts of [0, count); on this thread alone when the whole work,
  /// `count` items of `item_elements` elements, is too small to share.
  void in_parallel(std::int64_t count, std::int64_t item_elements, const RangeBody& body);
  /// Runs `work` on every (sequence, group) job of an attention, with scratch for each thread.
  void for_each_attention_job(
      const AttentionShape& shape, std::size_t scratch_bytes,
      const std::function<void(std::int64_t sequence, std::int64_t group, std::byte* scratch)>& work);
  /// The memory of a scratch buffer, which lives as long as the backend and grows to the largest request.
  std::byte* grow(Buffer& buffer, std::size_t bytes);
  /// Whether bf16 products with so many rows go through the tile kernels rather than oneDNN.
  bool has_tile_products(std::int64_t rows) const;
  /// A product of bf16 matrices by the tile kernels; upper_only leaves C's blocks below the diagonal as they
  /// are.
  void multiply_in_tiles(ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b, Matrix c,
                         float alpha, float beta, bool upper_only);
  /// The output layer by the tile kernels: tokens in jobs of their own, `work(first, count, scratch)`, with
  /// as much scratch as scratch_bytes(tokens of a job) says.
  void for_each_output_job(
      std::int64_t tokens, std::int64_t largest_job, std::int64_t hidden_size,
      const std::function<std::size_t(std::int64_t tokens)>& scratch_bytes,
      const std::function<void(std::int64_t first, std::int64_t count, std::byte* scratch)>& work);
  OutputJob output_job(ConstMatrix hidden, ConstMatrix head, std::int64_t first, std::int64_t count) const;
  void output_gradient_in_tiles(ConstMatrix hidden, ConstMatrix head, std::span<std::int32_t> labels,
                                std::span<const float> uniforms, Matrix losses, Matrix d_hidden);
  void output_divergence_in_tiles(ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                                  ConstMatrix teacher_head, double scale, Matrix divergence, Matrix d_hidden);
  /// logits ← hidden headᵀ, f32.
  void compute_logits(ConstMatrix hidden, ConstMatrix head, Matrix logits);
  void use_threads_in_blas() const;

  int threads_;
  const CpuKernels& kernels_;
  std::unique_ptr<CpuGemm> gemm_;
  Buffer scratch_;          ///< of attention and the output layer
  Buffer product_scratch_;  ///< of products, which the output layer calls
};

}  // namespace cce
