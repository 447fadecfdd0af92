#include "worker/run/probe.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>

#include "worker/tensor/backend.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr int repetitions = 4;

double best_seconds(const std::function<void()>& work) {
  double best = 1e30;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

double product_rate(Backend& backend, DType dtype) {
  constexpr std::int64_t rows = 1024;
  constexpr std::int64_t inner = 2048;
  const OwnedMatrix a = backend.zeros(dtype, rows, inner);
  const OwnedMatrix b = backend.zeros(dtype, rows, inner);
  OwnedMatrix c = backend.zeros(dtype == DType::bf16 ? DType::f32 : dtype, rows, rows);
  const double seconds = best_seconds(
      [&] { ops::multiply(backend, a.view(), Transpose::no, b.view(), Transpose::yes, c.view()); });
  return 2.0 * rows * rows * inner / seconds;
}

double copy_rate(Backend& backend) {
  constexpr std::int64_t floats = std::int64_t{1} << 24;
  const OwnedMatrix from = backend.zeros(DType::f32, 1024, floats / 1024);
  OwnedMatrix to = backend.zeros(DType::f32, 1024, floats / 1024);
  const double seconds = best_seconds([&] { ops::convert(backend, from.view(), to.view()); });
  return 2.0 * 4.0 * static_cast<double>(floats) / seconds;
}

}  // namespace

std::string probe_rates(int threads) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(threads);
  return nlohmann::json{{"gemm_f32_flops", product_rate(*backend, DType::f32)},
                        {"gemm_bf16_flops", product_rate(*backend, DType::bf16)},
                        {"gemm_f64_flops", product_rate(*backend, DType::f64)},
                        {"memory_bytes", copy_rate(*backend)}}
             .dump() +
         "\n";
}

}  // namespace cce
