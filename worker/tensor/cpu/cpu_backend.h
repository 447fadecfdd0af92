#pragma once
#include <cstddef>
#include <functional>
#include <memory>

#include "worker/tensor/backend.h"
#include "worker/tensor/cpu/cpu_gemm.h"
#include "worker/tensor/cpu/kernels/table.h"

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
  const OpTable& ops() const override;

  Buffer allocate(std::size_t bytes) override;
  Buffer allocate_host(std::size_t bytes) override { return allocate(bytes); }
  void upload(ConstMatrix host, Matrix device) override;
  void download(ConstMatrix device, Matrix host) override;
  void fill_zero(Matrix target) override;
  void synchronize() override {}

  // ---- what its operations (ops/*/*_cpu.cpp) are made of
  using RangeBody = std::function<void(std::int64_t first, std::int64_t last, int thread)>;
  /// Calls body once per thread on near-equal parts of [0, count); on this thread alone when the whole work,
  /// `count` items of `item_elements` elements, is too small to share.
  void in_parallel(std::int64_t count, std::int64_t item_elements, const RangeBody& body);
  int threads() const { return threads_; }
  const CpuKernels& kernels() const { return kernels_; }
  CpuGemm& gemm() { return *gemm_; }
  /// Memory of attention and the output layer: lives as long as the backend and grows to the largest request.
  std::byte* scratch(std::size_t bytes) { return grow(scratch_, bytes); }
  /// The same of products, which the output layer calls.
  std::byte* product_scratch(std::size_t bytes) { return grow(product_scratch_, bytes); }
  void use_threads_in_blas() const;

 private:
  std::byte* grow(Buffer& buffer, std::size_t bytes);

  int threads_;
  const CpuKernels& kernels_;
  std::unique_ptr<CpuGemm> gemm_;
  Buffer scratch_, product_scratch_;
};

}  // namespace cce
