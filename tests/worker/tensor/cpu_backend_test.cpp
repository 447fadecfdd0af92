#include "worker/tensor/cpu_backend.h"

#include "tests/conformance/backend_suite.h"
#include "worker/tensor/kernels/table.h"

namespace cce::backend_suite {
namespace {

/// The backend as the worker makes it with one and two threads, and with the kernels of every older
/// instruction set that this CPU also runs.
std::vector<BackendCase> cpu_cases() {
  std::vector<BackendCase> cases = {{"cpu", [] { return make_cpu_backend(1); }},
                                    {"cpu_two_threads", [] { return make_cpu_backend(2); }}};
  for (const char* instruction_set : {"baseline", "avx2", "avx512", "avx512_bf16"}) {
    if (const CpuKernels* kernels = cpu_kernels_named(instruction_set); kernels != nullptr) {
      cases.push_back({std::string("cpu_") + instruction_set,
                       [kernels] { return std::make_unique<CpuBackend>(1, *kernels); }});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Cpu, BackendSuite, testing::ValuesIn(cpu_cases()), case_name);

TEST(CpuBackend, threads_do_not_change_a_bit_of_rows_and_attention) {
  const AttentionRow row{"two_threads", 3, 70, 70, 2, 3, 16, 24, 0, 0.4};
  std::vector<double> results[2];
  for (const int threads : {1, 2}) {
    const auto backend = make_cpu_backend(threads);
    AttentionInputs in(row);
    Guarded q(*backend, DType::bf16, in.q), k(*backend, DType::bf16, in.k), v(*backend, DType::bf16, in.v);
    Guarded out(*backend, DType::bf16, in.q.rows, in.d_out.cols);
    Dense nothing(1, in.shape.query_heads());
    Guarded lse(*backend, DType::f32, in.q.rows, in.shape.query_heads()),
        variance(*backend, DType::f64, nothing);
    backend->attention_forward(in.shape, q, k, v, out, lse);
    backend->attention_variance(in.shape, q, k, lse, 3, variance);
    for (Guarded* matrix : {&out, &lse, &variance}) {
      const Dense values = matrix->get();
      results[threads - 1].insert(results[threads - 1].end(), values.values.begin(), values.values.end());
    }
  }
  EXPECT_EQ(results[0], results[1]);
}

TEST(CpuBackend, needs_a_thread) {
  EXPECT_THROW(make_cpu_backend(0), Error);
}

}  // namespace
}  // namespace cce::backend_suite
