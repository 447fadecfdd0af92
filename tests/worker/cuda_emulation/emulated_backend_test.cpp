#include "tests/worker/cuda_emulation/emulated_backend.h"

#include "tests/conformance/backend_suite.h"
#include "worker/tensor/ops.h"

/// The kernels of the CUDA backend under the rows that every Backend must pass, run on the CPU by
/// BlockRunner: a check of their logic, not of a GPU.
namespace cce::backend_suite {
namespace {

using cuda_emulation::EmulatedLimits;
using cuda_emulation::make_emulated_backend;
using cuda_emulation::ThreadOrder;

/// The second runs threads in the other order, in smaller tiles and chunks.
constexpr EmulatedLimits whole{};
constexpr EmulatedLimits small{.order = ThreadOrder::descending, .shared_bytes = 120 << 10, .logits = 4096};

INSTANTIATE_TEST_SUITE_P(EmulatedCuda, BackendSuite,
                         testing::Values(BackendCase{"emulated", [] { return make_emulated_backend(whole); }},
                                         BackendCase{"emulated_small",
                                                     [] { return make_emulated_backend(small); }}),
                         case_name);

/// Results of the same operations, all of them sums over many threads.
std::vector<double> attention_numbers(const EmulatedLimits& limits) {
  const AttentionRow row{"orders", 2, 70, 70, 2, 2, 24, 40, 33, 0.4};
  const auto backend = make_emulated_backend(limits);
  std::vector<double> numbers;
  AttentionInputs in(row);
  Guarded q(*backend, DType::bf16, in.q), k(*backend, DType::bf16, in.k), v(*backend, DType::bf16, in.v);
  Guarded d_out(*backend, DType::bf16, in.d_out), out(*backend, DType::bf16, in.q.rows, in.d_out.cols);
  Guarded lse(*backend, DType::f32, in.q.rows, in.shape.query_heads());
  Guarded d_q(*backend, DType::f32, in.q.rows, in.q.cols), d_k(*backend, DType::f32, in.k.rows, in.k.cols);
  Guarded d_v(*backend, DType::f32, in.v.rows, in.v.cols);
  Dense nothing(1, in.shape.query_heads());
  Guarded variance(*backend, DType::f64, nothing);
  ops::attention_forward(*backend, in.shape, q, k, v, out, lse);
  ops::attention_backward(*backend, in.shape, q, k, v, out, lse, d_out, d_q, d_k, d_v);
  ops::attention_variance(*backend, in.shape, q, k, lse, 3, variance);
  for (Guarded* matrix : {&out, &lse, &d_q, &d_k, &d_v, &variance}) {
    const Dense values = matrix->get();
    numbers.insert(numbers.end(), values.values.begin(), values.values.end());
  }
  return numbers;
}

TEST(EmulatedCuda, the_order_of_threads_does_not_change_a_bit_of_attention) {
  EXPECT_EQ(attention_numbers({.order = ThreadOrder::ascending}),
            attention_numbers({.order = ThreadOrder::descending}));
}

TEST(EmulatedCuda, heads_that_fit_no_tile_are_refused) {
  const auto backend = make_emulated_backend({.shared_bytes = 4096});
  AttentionInputs in({"wide", 1, 4, 4, 1, 1, 64, 64, 0, 0.4});
  Guarded q(*backend, DType::f32, in.q), k(*backend, DType::f32, in.k), v(*backend, DType::f32, in.v);
  Guarded out(*backend, DType::f32, 4, 64);
  EXPECT_THROW(ops::attention_forward(*backend, in.shape, q, k, v, out, {}), Error);
}

/// Chunks of words: statistics, labels and sums carried from one to the next.
TEST(EmulatedCuda, chunks_of_words_change_losses_and_gradients_by_rounding_alone) {
  Dense hidden = wave_matrix(20, 16, 1), head = wave_matrix(700, 16, 2, 3.0);
  std::vector<double> losses[2], gradients[2];
  std::vector<std::int32_t> drawn[2];
  for (const int few : {0, 1}) {
    const auto backend = make_emulated_backend({.logits = few == 1 ? 2100 : 1 << 20});
    Guarded device(*backend, DType::f32, hidden), device_head(*backend, DType::f32, head);
    Guarded loss(*backend, DType::f32, 1, 20), d_hidden(*backend, DType::f32, 20, 16);
    drawn[few].assign(20, 0);
    std::vector<float> uniforms;
    for (int t = 0; t < 20; ++t) {
      uniforms.push_back((static_cast<float>(t) + 0.5f) / 20.0f);
    }
    ops::output_gradient(*backend, device, device_head, drawn[few], uniforms, loss, d_hidden);
    losses[few] = loss.get().values;
    gradients[few] = d_hidden.get().values;
  }
  EXPECT_EQ(drawn[0], drawn[1]);
  EXPECT_THAT(losses[1], testing::Pointwise(testing::DoubleNear(1e-5), losses[0]));
  EXPECT_THAT(gradients[1], testing::Pointwise(testing::DoubleNear(2e-5), gradients[0]));
}

}  // namespace
}  // namespace cce::backend_suite
