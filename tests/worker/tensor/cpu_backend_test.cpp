#include "worker/tensor/cpu/cpu_backend.h"

#include "tests/conformance/backend_suite.h"
#include "tests/worker/fenced/fenced_backend.h"
#include "worker/tensor/cpu/kernels/table.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {
namespace {

/// The backend as the worker makes it with one and two threads, and with the kernels of every older
/// instruction set that this CPU also runs.
std::vector<BackendCase> cpu_cases() {
  std::vector<BackendCase> cases = {{"cpu", [] { return make_cpu_backend(1); }},
                                    {"cpu_two_threads", [] { return make_cpu_backend(2); }},
                                    {"fenced", [] { return std::make_unique<FencedBackend>(1); }}};
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
    ops::attention_forward(*backend, in.shape, q, k, v, out, lse);
    ops::attention_variance(*backend, in.shape, q, k, lse, 3, variance);
    for (Guarded* matrix : {&out, &lse, &variance}) {
      const Dense values = matrix->get();
      results[threads - 1].insert(results[threads - 1].end(), values.values.begin(), values.values.end());
    }
  }
  EXPECT_EQ(results[0], results[1]);
}

/// Everything that training adds, on dense matrices large enough to be shared between threads.
std::vector<double> trained_numbers(Backend& backend) {
  const std::int64_t tokens = 300, hidden = 70, vocabulary = 900;
  std::vector<double> numbers;
  const auto put = [&](DType dtype, std::int64_t rows, std::int64_t cols, std::int64_t seed) {
    const Dense values = wave_matrix(rows, cols, seed);
    OwnedMatrix wide = backend.matrix(DType::f64, rows, cols), result = backend.matrix(dtype, rows, cols);
    backend.upload({values.values.data(), DType::f64, rows, cols, cols}, wide.view());
    ops::convert(backend, wide.view(), result.view());
    return result;
  };
  const auto keep = [&](const OwnedMatrix& matrix) {
    std::vector<double> host(static_cast<std::size_t>(matrix.rows() * matrix.cols()));
    ops::convert(backend, matrix.view(),
                 {host.data(), DType::f64, matrix.rows(), matrix.cols(), matrix.cols()});
    numbers.insert(numbers.end(), host.begin(), host.end());
  };
  const OwnedMatrix x = put(DType::f32, tokens, hidden, 1), y = put(DType::bf16, tokens, hidden, 2);
  numbers.push_back(ops::inner_product(backend, x.view(), y.view()));
  OwnedMatrix d_gain = backend.zeros(DType::f32, 1, hidden), losses = backend.zeros(DType::f32, 1, tokens);
  ops::rms_norm_gain_gradient(backend, x.view(), x.view(), 1e-5, d_gain.view());
  keep(d_gain);
  OwnedMatrix gradient = backend.zeros(DType::f32, tokens, hidden);
  ops::relative_error(backend, x.view(), y.view(), 0.5, losses.view(), gradient.view());
  keep(losses);
  OwnedMatrix weights = put(DType::f32, tokens, hidden, 3), m = backend.zeros(DType::f32, tokens, hidden),
              v = backend.zeros(DType::f32, tokens, hidden),
              copy = backend.zeros(DType::bf16, tokens, hidden);
  ops::adamw(backend, {.learning_rate = 0.1}, gradient.view(), weights.view(), m.view(), v.view(),
             copy.view());
  for (const OwnedMatrix* matrix : {&weights, &m, &v, &copy}) keep(*matrix);
  const OwnedMatrix teacher = put(DType::bf16, tokens, hidden, 4),
                    head = put(DType::bf16, vocabulary, hidden, 5);
  ops::output_divergence(backend, y.view(), head.view(), teacher.view(), head.view(), 1.0, losses.view(),
                         gradient.view());
  keep(losses);
  keep(gradient);
  return numbers;
}

TEST(CpuBackend, threads_do_not_change_a_bit_of_training) {
  EXPECT_EQ(trained_numbers(*make_cpu_backend(1)), trained_numbers(*make_cpu_backend(2)));
}

TEST(CpuBackend, adamw_is_the_same_on_dense_and_on_strided_matrices) {
  const std::int64_t rows = 5, cols = 700;
  const auto backend = make_cpu_backend(1);
  Dense start = wave_matrix(rows, cols, 1), slope = wave_matrix(rows, cols, 2), zero(rows, cols);
  Guarded weights(*backend, DType::f32, start), gradient(*backend, DType::f32, slope);
  Guarded m(*backend, DType::f32, zero), v(*backend, DType::f32, zero);
  OwnedMatrix dense[4];
  for (OwnedMatrix& matrix : dense) matrix = backend->zeros(DType::f32, rows, cols);
  ops::convert(*backend, weights.view(), dense[0].view());
  ops::convert(*backend, gradient.view(), dense[1].view());
  const AdamWStep step{.learning_rate = 0.01, .weight_decay = 0.1};
  ops::adamw(*backend, step, gradient, weights, m, v, {});
  ops::adamw(*backend, step, dense[1].view(), dense[0].view(), dense[2].view(), dense[3].view(), {});
  const Dense strided = weights.get();
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    ASSERT_EQ(static_cast<double>(dense[0].as<float>()[i]), strided.values[static_cast<std::size_t>(i)]) << i;
  }
}

TEST(CpuBackend, needs_a_thread) {
  EXPECT_THROW(make_cpu_backend(0), Error);
}

}  // namespace
}  // namespace cce::backend_suite
