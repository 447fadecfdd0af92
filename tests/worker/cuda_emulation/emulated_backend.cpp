#include "tests/worker/cuda_emulation/emulated_backend.h"

#include <cuda_runtime.h>

#include <utility>

#include "worker/tensor/kernels_cuda/launch_attention.h"
#include "worker/tensor/kernels_cuda/launch_blocks.h"
#include "worker/tensor/kernels_cuda/launch_output.h"
#include "worker/tensor/kernels_cuda/launch_products.h"
#include "worker/tensor/kernels_cuda/launch_rows.h"
#include "worker/tensor/kernels_cuda/launch_selections.h"
#include "worker/tensor/kernels_cuda/launch_training.h"

namespace cce::cuda_emulation {
namespace {

/// The Device of kernels_cuda/launch_shape.h.
class EmulatedDevice {
 public:
  EmulatedDevice(Backend& backend, const EmulatedLimits& limits)
      : backend_(backend), limits_(limits), runner_(std::make_unique<BlockRunner>(limits.order)) {}

  Backend& backend() const { return backend_; }
  std::size_t shared_limit_bytes() const { return limits_.shared_bytes; }
  std::int64_t logits_limit() const { return limits_.logits; }

  template <typename... Parameters, typename... Arguments>
  void launch(const cuda_kernels::KernelShape& shape, void (*kernel)(Parameters...),
              Arguments&&... arguments) const {
    const auto extent = [](const dim3& d) { return Extent{d.x, d.y, d.z}; };
    runner_->run(extent(shape.blocks), extent(shape.threads), shape.shared_bytes,
                 [&] { kernel(static_cast<Parameters>(arguments)...); });
  }

 private:
  Backend& backend_;
  EmulatedLimits limits_;
  std::unique_ptr<BlockRunner> runner_;
};

class EmulatedBackend final : public Backend {
 public:
  explicit EmulatedBackend(const EmulatedLimits& limits)
      : cpu_(make_cpu_backend(1)), device_(*this, limits) {}

  std::string_view device() const override { return "emulated cuda"; }
  bool host_memory() const override { return true; }
  bool has_fast_bf16() const override { return true; }

  Buffer allocate(std::size_t bytes) override { return cpu_->allocate(bytes); }
  Buffer allocate_host(std::size_t bytes) override { return cpu_->allocate(bytes); }
  void upload(ConstMatrix host, Matrix device) override { cpu_->upload(host, device); }
  void download(ConstMatrix device, Matrix host) override { cpu_->download(device, host); }
  void fill_zero(Matrix target) override { cpu_->fill_zero(target); }
  void convert(ConstMatrix source, Matrix target) override { cuda_kernels::convert(device_, source, target); }
  void synchronize() override {}

  void multiply(ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b, Matrix c,
                double alpha, double beta) override {
    cuda_kernels::multiply(device_, a, transpose_a, b, transpose_b, c, alpha, beta, [&](std::int64_t) {
      cpu_->multiply(a, transpose_a, b, transpose_b, c, alpha, beta);
    });
  }
  void gram(ConstMatrix features, Matrix gram) override { cuda_kernels::gram(device_, features, gram); }

  void add(ConstMatrix source, Matrix target, double alpha) override {
    cuda_kernels::add(device_, source, target, alpha);
  }
  void add_bias(ConstMatrix bias, Matrix x) override { cuda_kernels::add_bias(device_, bias, x); }
  void scale_rows(ConstMatrix source, ConstMatrix scale, Matrix target) override {
    cuda_kernels::scale_rows(device_, source, scale, target);
  }
  void row_squared_norms(ConstMatrix x, Matrix out) override {
    cuda_kernels::row_squared_norms(device_, x, out);
  }
  void column_sums(ConstMatrix x, ConstMatrix weight, Matrix out) override {
    cuda_kernels::column_sums(device_, x, weight, out);
  }

  void gather(ConstMatrix source, std::span<const std::int32_t> rows, std::span<const std::int32_t> cols,
              Matrix target) override {
    cuda_kernels::gather(device_, source, rows, cols, target);
  }
  void scatter(ConstMatrix source, std::span<const std::int32_t> rows, std::span<const std::int32_t> cols,
               Matrix target) override {
    cuda_kernels::scatter(device_, source, rows, cols, target);
  }
  void transpose(ConstMatrix source, Matrix target) override { cpu_->transpose(source, target); }

  void embed(std::span<const std::int32_t> ids, ConstMatrix table, Matrix out) override {
    cuda_kernels::embed(device_, ids, table, out);
  }
  void rms_norm(ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) override {
    cuda_kernels::rms_norm(device_, x, gain, epsilon, out);
  }
  void rms_norm_backward(ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                         Matrix d_x) override {
    cuda_kernels::rms_norm_backward(device_, d_out, x, gain, epsilon, d_x);
  }
  void rope(Matrix x, const RopeTable& table, std::int64_t kv_groups, std::int64_t heads_per_group,
            std::int64_t length, std::int64_t first_position, bool inverse) override {
    cuda_kernels::rope(device_, x, table, kv_groups, heads_per_group, length, first_position, inverse);
  }
  void attention_forward(const AttentionShape& shape, ConstMatrix q, ConstMatrix k, ConstMatrix v, Matrix out,
                         Matrix log_sum_exp) override {
    cuda_kernels::attention_forward(device_, shape, q, k, v, out, log_sum_exp);
  }
  void attention_backward(const AttentionShape& shape, ConstMatrix q, ConstMatrix k, ConstMatrix v,
                          ConstMatrix out, ConstMatrix log_sum_exp, ConstMatrix d_out, Matrix d_q, Matrix d_k,
                          Matrix d_v) override {
    cuda_kernels::attention_backward(device_, shape, q, k, v, out, log_sum_exp, d_out, d_q, d_k, d_v);
  }
  void attention_variance(const AttentionShape& shape, ConstMatrix q, ConstMatrix k, ConstMatrix log_sum_exp,
                          std::int64_t first_query, Matrix variance) override {
    cuda_kernels::attention_variance(device_, shape, q, k, log_sum_exp, first_query, variance);
  }
  void swiglu(ConstMatrix gate, ConstMatrix up, Matrix out) override {
    cuda_kernels::swiglu(device_, gate, up, out);
  }
  void swiglu_backward(ConstMatrix d_out, ConstMatrix gate, ConstMatrix up, Matrix d_gate,
                       Matrix d_up) override {
    cuda_kernels::swiglu_backward(device_, d_out, gate, up, d_gate, d_up);
  }

  void output_losses(ConstMatrix hidden, ConstMatrix head, std::span<const std::int32_t> labels,
                     Matrix losses) override {
    cuda_kernels::output_losses(device_, hidden, head, labels, losses);
  }
  void output_gradient(ConstMatrix hidden, ConstMatrix head, std::span<std::int32_t> labels,
                       std::span<const float> uniforms, Matrix losses, Matrix d_hidden) override {
    cuda_kernels::output_gradient(device_, hidden, head, labels, uniforms, losses, d_hidden);
  }
  void output_divergence(ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher, ConstMatrix teacher_head,
                         double scale, Matrix divergence, Matrix d_hidden) override {
    cuda_kernels::output_divergence(device_, hidden, head, teacher, teacher_head, scale, divergence,
                                    d_hidden);
  }

  void add_inner_product(ConstMatrix a, ConstMatrix b, Matrix sum) override {
    cuda_kernels::add_inner_product(device_, a, b, sum);
  }
  void rms_norm_gain_gradient(ConstMatrix d_out, ConstMatrix x, double epsilon, Matrix d_gain) override {
    cuda_kernels::rms_norm_gain_gradient(device_, d_out, x, epsilon, d_gain);
  }
  void relative_error(ConstMatrix x, ConstMatrix target, double scale, Matrix losses,
                      Matrix gradient) override {
    cuda_kernels::relative_error(device_, x, target, scale, losses, gradient);
  }
  void adamw(const AdamWStep& step, ConstMatrix gradient, Matrix weights, Matrix m, Matrix v,
             Matrix copy) override {
    cuda_kernels::adamw(device_, step, gradient, weights, m, v, copy);
  }

  [[nodiscard]] std::optional<std::int64_t> cholesky(Matrix a) override { return cpu_->cholesky(a); }
  void cholesky_solve(ConstMatrix factor, Matrix right_side) override {
    cpu_->cholesky_solve(factor, right_side);
  }
  void cholesky_inverse(Matrix factor) override { cpu_->cholesky_inverse(factor); }
  void triangular_solve(ConstMatrix lower, Transpose transpose, Matrix right_side) override {
    cpu_->triangular_solve(lower, transpose, right_side);
  }
  void eigen_symmetric(Matrix a, Matrix values) override { cpu_->eigen_symmetric(a, values); }
  void eigenvalues_symmetric(Matrix a, Matrix values) override { cpu_->eigenvalues_symmetric(a, values); }
  void singular_values(Matrix a, Matrix u, Matrix values, Matrix v_transposed) override {
    cpu_->singular_values(a, u, values, v_transposed);
  }
  void qr(Matrix a, Matrix r) override { cpu_->qr(a, r); }

 private:
  std::unique_ptr<Backend> cpu_;
  EmulatedDevice device_;
};

}  // namespace

std::unique_ptr<Backend> make_emulated_backend(const EmulatedLimits& limits) {
  return std::make_unique<EmulatedBackend>(limits);
}

}  // namespace cce::cuda_emulation
