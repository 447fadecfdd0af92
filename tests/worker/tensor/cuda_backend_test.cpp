#include <algorithm>
#include <vector>

#include "common/base/error.h"
#include "tests/conformance/backend_suite.h"
#include "worker/tensor/cuda/cuda_device.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {
namespace {

/// Why there is no GPU to test on; empty if there is one.
std::string missing_device() {
  try {
    return cuda_devices().empty() ? "no GPU is visible to the driver" : "";
  } catch (const Error& error) {
    return describe(error);
  }
}

BackendCase cuda_case() {
  return {.name = "cuda",
          .make = [] { return make_cuda_backend({.memory_limit_bytes = std::size_t{2} << 30}); },
          .cannot_run = missing_device()};
}

INSTANTIATE_TEST_SUITE_P(Cuda, BackendSuite, testing::Values(cuda_case()), case_name);

class CudaBackendOnly : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = missing_device(); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }
};

/// The model's shapes, where blocks are many and tiles are the large ones, against the CPU backend.
TEST_F(CudaBackendOnly, attention_of_long_sequences_agrees_with_the_cpu) {
  const AttentionRow rows[] = {{"heads_of_64", 1, 1000, 1000, 3, 3, 64, 64, 0, 0.125},
                               {"heads_of_128", 1, 777, 777, 2, 1, 128, 128, 0, 0.09},
                               {"pruned_heads", 2, 513, 513, 2, 2, 40, 56, 300, 0.125}};
  for (const AttentionRow& row : rows) {
    SCOPED_TRACE(row.name);
    std::vector<Dense> results[2];
    for (const int on_gpu : {0, 1}) {
      const auto backend = on_gpu == 1 ? cuda_case().make() : make_cpu_backend(2);
      AttentionInputs in(row);
      Guarded q(*backend, DType::bf16, in.q), k(*backend, DType::bf16, in.k), v(*backend, DType::bf16, in.v);
      Guarded d_out(*backend, DType::bf16, in.d_out), out(*backend, DType::bf16, in.q.rows, in.d_out.cols);
      Guarded lse(*backend, DType::f32, in.q.rows, in.shape.query_heads());
      Guarded d_q(*backend, DType::f32, in.q.rows, in.q.cols),
          d_k(*backend, DType::f32, in.k.rows, in.k.cols), d_v(*backend, DType::f32, in.v.rows, in.v.cols);
      ops::attention_forward(*backend, in.shape, q, k, v, out, lse);
      ops::attention_backward(*backend, in.shape, q, k, v, out, lse, d_out, d_q, d_k, d_v);
      for (Guarded* matrix : {&out, &lse, &d_q, &d_k, &d_v}) {
        results[on_gpu].push_back(matrix->get());
      }
    }
    for (std::size_t i = 0; i < results[0].size(); ++i) {
      EXPECT_LE(scaled_error(results[1][i], results[0][i]), 2e-2) << "result " << i;
    }
  }
}

/// Ten bits of each factor: 2⁻¹¹ of rounding twice a product, which a sum over some dozens does not reach.
TEST_F(CudaBackendOnly, tf32_rounds_the_factors_of_f32_products_alone) {
  const auto backend = make_cuda_backend({.memory_limit_bytes = std::size_t{2} << 30, .tf32 = true});
  for (const ProductRow& row : product_rows) {
    const double error = product_error(*backend, row);
    EXPECT_LE(error, row.a_dtype == DType::f32 ? 1e-3 : row.tolerance) << row.name;
  }
}

/// What layers do on their way: the copy runs beside a product and changes neither.
TEST_F(CudaBackendOnly, an_upload_beside_a_product_brings_every_byte) {
  const auto backend = cuda_case().make();
  constexpr std::int64_t count = std::int64_t{1} << 24;
  const Buffer host = backend->allocate_host(count * sizeof(float));
  const Matrix values{host.data(), DType::f32, 1, count, count};
  for (std::int64_t i = 0; i < count; ++i) {
    values.as<float>()[i] = static_cast<float>(i);
  }
  OwnedMatrix arrived = backend->matrix(DType::f32, 1, count);
  OwnedMatrix a = backend->zeros(DType::bf16, 2048, 2048), product = backend->matrix(DType::f32, 2048, 2048);
  backend->start_upload(values, arrived.view());
  for (int i = 0; i < 20; ++i) {
    ops::gram(*backend, a.view(), product.view());
  }
  backend->finish_uploads();
  std::vector<float> found(static_cast<std::size_t>(count));
  backend->download(arrived.view(), {found.data(), DType::f32, 1, count, count});
  EXPECT_TRUE(std::equal(found.begin(), found.end(), values.as<float>()));
}

}  // namespace
}  // namespace cce::backend_suite
