#include "tests/worker/cuda_emulation/emulated_backend.h"

#include <cuda_runtime.h>

#include <utility>

#include "worker/tensor/ops.h"
#include "worker/tensor/ops/attention/attention_cuda.h"
#include "worker/tensor/ops/blocks/block_cuda.h"
#include "worker/tensor/ops/output/output_cuda.h"
#include "worker/tensor/ops/products/product_cuda.h"
#include "worker/tensor/ops/rows/row_cuda.h"
#include "worker/tensor/ops/selections/selection_cuda.h"
#include "worker/tensor/ops/training/training_cuda.h"

namespace cce::cuda_emulation {
namespace {

class EmulatedBackend final : public Backend {
 public:
  explicit EmulatedBackend(const EmulatedLimits& limits)
      : cpu_(make_cpu_backend(1)), limits_(limits), runner_(limits.order) {}

  std::string_view device() const override { return "emulated cuda"; }
  bool host_memory() const override { return true; }
  bool has_fast_bf16() const override { return true; }
  const OpTable& ops() const override;

  Buffer allocate(std::size_t bytes) override { return cpu_->allocate(bytes); }
  Buffer allocate_host(std::size_t bytes) override { return cpu_->allocate(bytes); }
  void upload(ConstMatrix host, Matrix device) override { cpu_->upload(host, device); }
  void download(ConstMatrix device, Matrix host) override { cpu_->download(device, host); }
  void fill_zero(Matrix target) override { cpu_->fill_zero(target); }
  void synchronize() override {}

  Backend& cpu() { return *cpu_; }
  const EmulatedLimits& limits() const { return limits_; }
  BlockRunner& runner() { return runner_; }

 private:
  std::unique_ptr<Backend> cpu_;
  EmulatedLimits limits_;
  BlockRunner runner_;
};

/// The Device of cuda/kernels/launch_shape.h.
class EmulatedDevice {
 public:
  EmulatedDevice(Backend& backend, const char*) : backend_(static_cast<EmulatedBackend&>(backend)) {}

  Backend& backend() const { return backend_; }
  std::size_t shared_limit_bytes() const { return backend_.limits().shared_bytes; }
  std::int64_t logits_limit() const { return backend_.limits().logits; }

  template <typename... Parameters, typename... Arguments>
  void launch(const cuda_kernels::KernelShape& shape, void (*kernel)(Parameters...),
              Arguments&&... arguments) const {
    const auto extent = [](const dim3& d) { return Extent{d.x, d.y, d.z}; };
    backend_.runner().run(extent(shape.blocks), extent(shape.threads), shape.shared_bytes,
                          [&] { kernel(static_cast<Parameters>(arguments)...); });
  }

 private:
  EmulatedBackend& backend_;
};

void multiply(Backend& backend, ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b,
              Matrix c, double alpha, double beta) {
  cuda_kernels::multiply_by(EmulatedDevice(backend, "multiply"), a, transpose_a, c, alpha, beta,
                            [&](std::int64_t) {
                              ops::multiply(static_cast<EmulatedBackend&>(backend).cpu(), a, transpose_a, b,
                                            transpose_b, c, alpha, beta);
                            });
}

/// An entry that is the CPU backend's own.
template <auto entry>
struct OnCpu;
template <typename Group, typename Result, typename... Arguments,
          Result (*Group::*entry)(Backend&, Arguments...)>
struct OnCpu<entry> {
  static Result call(Backend& backend, Arguments... arguments) {
    Backend& cpu = static_cast<EmulatedBackend&>(backend).cpu();
    return (op_group<Group>(cpu.ops()).*entry)(cpu, arguments...);
  }
};

constexpr ProductOps products{.multiply = multiply, .gram = cuda_kernels::gram<EmulatedDevice>};
constexpr RowOps rows = cuda_kernels::row_ops<EmulatedDevice>();
constexpr SelectionOps selections{.gather = cuda_kernels::gather<EmulatedDevice>,
                                  .scatter = cuda_kernels::scatter<EmulatedDevice>,
                                  .transpose = OnCpu<&SelectionOps::transpose>::call};
constexpr BlockOps blocks = cuda_kernels::block_ops<EmulatedDevice>();
constexpr AttentionOps attention = cuda_kernels::attention_ops<EmulatedDevice>();
constexpr OutputOps output = cuda_kernels::output_ops<EmulatedDevice>();
constexpr TrainingOps training = cuda_kernels::training_ops<EmulatedDevice>();
constexpr SolverOps solvers = wrapped_solver_ops<OnCpu>();

const OpTable& EmulatedBackend::ops() const {
  static constexpr OpTable table{.products = &products,
                                 .rows = &rows,
                                 .selections = &selections,
                                 .blocks = &blocks,
                                 .attention = &attention,
                                 .output = &output,
                                 .training = &training,
                                 .solvers = &solvers};
  return table;
}

}  // namespace

std::unique_ptr<Backend> make_emulated_backend(const EmulatedLimits& limits) {
  return std::make_unique<EmulatedBackend>(limits);
}

}  // namespace cce::cuda_emulation
