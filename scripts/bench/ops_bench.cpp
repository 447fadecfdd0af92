// Speed of the backend's operations at the shapes of SmolLM2-135M. Usage: cce-ops-bench [threads] [name
// filter] [cpu | cuda | cuda:INDEX] Prints, per operation, the best of some runs: milliseconds and GFLOP/s
// (multiplications and additions of its products; causal attention counts the visible half) or GB/s of memory
// read and written. On a GPU also products at the shapes of Llama-2-7B, and of 8192³, the device's measured
// peak.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "worker/numeric/polar.h"
#include "worker/numeric/similarity_loss.h"
#include "worker/tensor/backend.h"
#include "worker/tensor/cuda/cuda_device.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr std::int64_t tokens = 4096, sequence_length = 1024, hidden = 576, ffn = 1536, vocabulary = 49152;
constexpr std::int64_t groups = 3, queries_per_group = 3, head_dim = 64;

class Bench {
 public:
  Bench(int threads, std::string filter, const std::string& device)
      : backend_(make_backend(threads, device)), filter_(std::move(filter)) {}
  Backend& backend() { return *backend_; }

  /// `work` in floating-point operations (unit "GFLOP/s") or bytes ("GB/s") per run.
  void row(const std::string& name, double work, const char* unit, const std::function<void()>& run) {
    if (name.find(filter_) == std::string::npos) {
      return;
    }
    run();
    backend_->synchronize();
    double best_seconds = 1e9, total_seconds = 0.0;
    for (int i = 0; i < 20 && (i < 3 || total_seconds < 0.5); ++i) {
      const auto start = std::chrono::steady_clock::now();
      run();
      backend_->synchronize();
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      best_seconds = std::min(best_seconds, seconds);
      total_seconds += seconds;
    }
    std::printf("%-34s %10.3f ms %10.1f %s\n", name.c_str(), best_seconds * 1e3, work / best_seconds / 1e9,
                unit);
    std::fflush(stdout);
  }

  /// Deterministic numbers in [−½, ½).
  OwnedMatrix random(DType dtype, std::int64_t rows, std::int64_t cols) {
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    std::uint32_t state = static_cast<std::uint32_t>(rows * 31 + cols);
    for (float& value : values) {
      state = state * 1664525u + 1013904223u;
      value = static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
    }
    OwnedMatrix drawn = backend_->matrix(DType::f32, rows, cols);
    backend_->upload({values.data(), DType::f32, rows, cols, cols}, drawn.view());
    OwnedMatrix result = backend_->matrix(dtype, rows, cols);
    ops::convert(*backend_, drawn.view(), result.view());
    backend_->synchronize();
    return result;
  }

 private:
  static std::unique_ptr<Backend> make_backend(int threads, const std::string& device) {
    if (device == "cpu") {
      return make_cpu_backend(threads);
    }
    const std::string prefix = "cuda:";
    const int index = device.starts_with(prefix) ? std::atoi(device.c_str() + prefix.size()) : 0;
    return make_cuda_backend({.device = index, .host_threads = threads});
  }

  std::unique_ptr<Backend> backend_;
  std::string filter_;
};

void product_rows(Bench& bench, DType dtype, const std::string& prefix) {
  Backend& backend = bench.backend();
  const struct {
    const char* name;
    std::int64_t in, out;
    DType result;
    double beta;
  } layers[] = {{"q", hidden, hidden, dtype, 0.0},
                {"k", hidden, groups * head_dim, dtype, 0.0},
                {"gate", hidden, ffn, dtype, 0.0},
                {"down to stream", ffn, hidden, DType::f32, 1.0}};
  for (const auto& [name, in, out, result, beta] : layers) {
    const OwnedMatrix x = bench.random(dtype, tokens, in), weights = bench.random(dtype, out, in);
    OwnedMatrix y = backend.zeros(result, tokens, out);
    const double flops = 2.0 * static_cast<double>(tokens * in * out);
    bench.row(prefix + " " + name, flops, "GFLOP/s", [&, factor = beta] {
      ops::multiply(backend, x.view(), Transpose::no, weights.view(), Transpose::yes, y.view(), 1.0, factor);
    });
  }
  const OwnedMatrix gradient = bench.random(dtype, tokens, ffn), gate = bench.random(dtype, ffn, hidden);
  OwnedMatrix d_x = backend.zeros(DType::f32, tokens, hidden);
  bench.row(prefix + " gate backward", 2.0 * tokens * hidden * ffn, "GFLOP/s", [&] {
    ops::multiply(backend, gradient.view(), Transpose::no, gate.view(), Transpose::no, d_x.view(), 1.0, 1.0);
  });
  for (const std::int64_t n : {ffn, hidden}) {
    const OwnedMatrix features = bench.random(dtype, tokens, n);
    OwnedMatrix gram = backend.zeros(DType::f32, n, n);
    const double flops = static_cast<double>(tokens * n * (n + 1));
    bench.row(prefix + " gram " + std::to_string(n), flops, "GFLOP/s",
              [&] { ops::gram(backend, features.view(), gram.view()); });
  }
  OwnedMatrix d_gate = backend.zeros(DType::f32, ffn, hidden);
  const OwnedMatrix x = bench.random(dtype, tokens, hidden);
  bench.row(prefix + " gate gradient", 2.0 * tokens * hidden * ffn, "GFLOP/s", [&] {
    ops::multiply(backend, gradient.view(), Transpose::yes, x.view(), Transpose::no, d_gate.view(), 1.0, 1.0);
  });
  const OwnedMatrix features = bench.random(dtype, tokens, ffn),
                    targets = bench.random(dtype, tokens, hidden);
  OwnedMatrix cross = backend.zeros(DType::f32, ffn, hidden);
  bench.row(prefix + " cross F'Y", 2.0 * tokens * hidden * ffn, "GFLOP/s", [&] {
    ops::multiply(backend, features.view(), Transpose::yes, targets.view(), Transpose::no, cross.view(), 1.0,
                  1.0);
  });
}

/// Products that only a GPU is fast enough for: the largest rate that it shows, and a layer of 7 B
/// parameters.
void large_product_rows(Bench& bench) {
  Backend& backend = bench.backend();
  const struct {
    const char* name;
    DType dtype;
    std::int64_t rows, in, out;
  } products[] = {{"peak bf16 8192^3", DType::bf16, 8192, 8192, 8192},
                  {"peak f32 8192^3", DType::f32, 8192, 8192, 8192},
                  {"7b bf16 q", DType::bf16, 8192, 4096, 4096},
                  {"7b bf16 gate", DType::bf16, 8192, 4096, 11008},
                  {"7b bf16 down", DType::bf16, 8192, 11008, 4096}};
  for (const auto& [name, dtype, rows, in, out] : products) {
    const OwnedMatrix x = bench.random(dtype, rows, in), weights = bench.random(dtype, out, in);
    OwnedMatrix y = backend.matrix(dtype, rows, out);
    bench.row(name, 2.0 * static_cast<double>(rows * in) * static_cast<double>(out), "GFLOP/s", [&] {
      ops::multiply(backend, x.view(), Transpose::no, weights.view(), Transpose::yes, y.view());
    });
  }
  const OwnedMatrix features = bench.random(DType::bf16, 8192, 11008);
  OwnedMatrix gram = backend.zeros(DType::f32, 11008, 11008);
  bench.row("7b bf16 gram 11008", 8192.0 * 11008.0 * 11009.0, "GFLOP/s",
            [&] { ops::gram(backend, features.view(), gram.view()); });
}

void attention_rows(Bench& bench, DType dtype, const std::string& prefix) {
  Backend& backend = bench.backend();
  AttentionShape shape{.sequences = tokens / sequence_length,
                       .query_length = sequence_length,
                       .key_length = sequence_length,
                       .kv_groups = groups,
                       .queries_per_group = queries_per_group,
                       .qk_dim = head_dim,
                       .vo_dim = head_dim,
                       .scale = 0.125,
                       .window = {}};
  const std::int64_t heads = shape.query_heads();
  const OwnedMatrix q = bench.random(dtype, tokens, heads * head_dim);
  const OwnedMatrix k = bench.random(dtype, tokens, groups * head_dim);
  const OwnedMatrix v = bench.random(dtype, tokens, groups * head_dim);
  const OwnedMatrix d_out = bench.random(dtype, tokens, heads * head_dim);
  OwnedMatrix out = backend.matrix(dtype, tokens, heads * head_dim);
  OwnedMatrix log_sum_exp = backend.matrix(DType::f32, tokens, heads);
  OwnedMatrix d_q = backend.matrix(dtype, tokens, heads * head_dim);
  OwnedMatrix d_k = backend.matrix(dtype, tokens, groups * head_dim);
  OwnedMatrix d_v = backend.matrix(dtype, tokens, groups * head_dim);
  OwnedMatrix variance = backend.zeros(DType::f64, 1, heads);
  const double product = static_cast<double>(tokens * sequence_length * heads * head_dim);
  bench.row(prefix + " attention", 2.0 * product, "GFLOP/s", [&] {
    ops::attention_forward(backend, shape, q.view(), k.view(), v.view(), out.view(), log_sum_exp.view());
  });
  bench.row(prefix + " attention backward", 5.0 * product, "GFLOP/s", [&] {
    ops::attention_backward(backend, shape, q.view(), k.view(), v.view(), out.view(), log_sum_exp.view(),
                            d_out.view(), d_q.view(), d_k.view(), d_v.view());
  });
  bench.row(prefix + " attention variance", product, "GFLOP/s", [&] {
    ops::attention_variance(backend, shape, q.view(), k.view(), log_sum_exp.view(), 64, variance.view());
  });
  shape.sequences = 1;
  shape.query_length = 1;
  bench.row(prefix + " attention, one query", 4.0 * static_cast<double>(sequence_length * heads * head_dim),
            "GFLOP/s", [&] {
              ops::attention_forward(backend, shape, q.view().rows_from(0, 1),
                                     k.view().rows_from(0, sequence_length),
                                     v.view().rows_from(0, sequence_length), out.view().rows_from(0, 1), {});
            });
}

void element_rows(Bench& bench) {
  Backend& backend = bench.backend();
  const OwnedMatrix stream = bench.random(DType::f32, tokens, hidden);
  const OwnedMatrix gain = bench.random(DType::f32, 1, hidden);
  const OwnedMatrix gate = bench.random(DType::bf16, tokens, ffn),
                    up = bench.random(DType::bf16, tokens, ffn);
  OwnedMatrix d_gate = backend.matrix(DType::bf16, tokens, ffn),
              d_up = backend.matrix(DType::bf16, tokens, ffn);
  OwnedMatrix normalised = backend.matrix(DType::bf16, tokens, hidden);
  OwnedMatrix d_stream = backend.zeros(DType::f32, tokens, hidden);
  OwnedMatrix sums = backend.zeros(DType::f32, 1, ffn), norms = backend.matrix(DType::f32, 1, tokens);
  const OwnedMatrix angles = bench.random(DType::f32, sequence_length, groups * head_dim / 2);
  const double wide = static_cast<double>(tokens * ffn), narrow = static_cast<double>(tokens * hidden);
  bench.row("rms_norm", 6 * narrow, "GB/s",
            [&] { ops::rms_norm(backend, stream.view(), gain.view(), 1e-5, normalised.view()); });
  bench.row("rms_norm_backward", 16 * narrow, "GB/s", [&] {
    ops::rms_norm_backward(backend, stream.view(), stream.view(), gain.view(), 1e-5, d_stream.view());
  });
  bench.row("rope", 4 * narrow, "GB/s", [&] {
    ops::rope(backend, normalised.view(), {angles.view(), angles.view()}, groups, queries_per_group,
              sequence_length, 0, false);
  });
  bench.row("gated_units", 6 * wide, "GB/s",
            [&] { ops::gated_units(backend, Activation::silu, gate.view(), up.view(), d_gate.view()); });
  bench.row("gated_units_backward", 10 * wide, "GB/s", [&] {
    ops::gated_units_backward(backend, Activation::silu, gate.view(), gate.view(), up.view(), d_gate.view(),
                              d_up.view());
  });
  bench.row("scale_rows", 4 * wide, "GB/s",
            [&] { ops::scale_rows(backend, gate.view(), norms.view(), d_gate.view()); });
  bench.row("row_squared_norms", 2 * wide, "GB/s",
            [&] { ops::row_squared_norms(backend, gate.view(), norms.view()); });
  bench.row("column_sums", 2 * wide, "GB/s",
            [&] { ops::column_sums(backend, gate.view(), {}, sums.view()); });
  OwnedMatrix d_gain = backend.zeros(DType::f32, 1, hidden);
  bench.row("rms_norm_gain_gradient", 12 * narrow, "GB/s",
            [&] { ops::rms_norm_gain_gradient(backend, stream.view(), stream.view(), 1e-5, d_gain.view()); });
  bench.row("relative_error", 10 * narrow, "GB/s", [&] {
    ops::relative_error(backend, stream.view(), stream.view(), 1.0, norms.view(), normalised.view());
  });
  bench.row("convert f32 to bf16", 6 * narrow, "GB/s",
            [&] { ops::convert(backend, stream.view(), normalised.view()); });
}

/// The optimiser on a layer's largest matrix.
void optimiser_rows(Bench& bench) {
  Backend& backend = bench.backend();
  const OwnedMatrix gradient = bench.random(DType::f32, ffn, hidden);
  OwnedMatrix weights = bench.random(DType::f32, ffn, hidden), m = backend.zeros(DType::f32, ffn, hidden),
              v = backend.zeros(DType::f32, ffn, hidden), copy = backend.zeros(DType::bf16, ffn, hidden);
  const double count = static_cast<double>(ffn * hidden);
  bench.row("adamw", 30 * count, "GB/s", [&] {
    ops::adamw(backend, {.learning_rate = 1e-4}, gradient.view(), weights.view(), m.view(), v.view(),
               copy.view());
  });
  bench.row("inner_product", 4 * count, "GB/s",
            [&] { ops::inner_product(backend, gradient.view(), gradient.view()); });
}

void output_rows(Bench& bench, DType dtype, const std::string& prefix) {
  Backend& backend = bench.backend();
  constexpr std::int64_t count = 1024;
  const OwnedMatrix x = bench.random(dtype, count, hidden), head = bench.random(dtype, vocabulary, hidden);
  OwnedMatrix losses = backend.matrix(DType::f32, 1, count);
  OwnedMatrix d_hidden = backend.matrix(DType::f32, count, hidden);
  std::vector<std::int32_t> labels(count, 7);
  const std::vector<float> uniforms(count, 0.5f);
  const double product = 2.0 * static_cast<double>(count * hidden * vocabulary);
  bench.row(prefix + " output_losses", product, "GFLOP/s",
            [&] { ops::output_losses(backend, x.view(), head.view(), labels, losses.view()); });
  bench.row(prefix + " output_gradient", 2.0 * product, "GFLOP/s", [&] {
    ops::output_gradient(backend, x.view(), head.view(), labels, uniforms, losses.view(), d_hidden.view());
  });
  const OwnedMatrix teacher = bench.random(dtype, count, hidden);
  bench.row(prefix + " output_divergence", 3.0 * product, "GFLOP/s", [&] {
    ops::output_divergence(backend, x.view(), head.view(), teacher.view(), head.view(), 1.0, losses.view(),
                           d_hidden.view());
  });
}

/// G = XᵀX / n + ½ I of random X: positive definite.
OwnedMatrix random_gram(Bench& bench, std::int64_t n) {
  Backend& backend = bench.backend();
  const OwnedMatrix x = bench.random(DType::f64, n, n);
  std::vector<double> diagonal(static_cast<std::size_t>(n * n));
  for (std::int64_t i = 0; i < n; ++i) {
    diagonal[static_cast<std::size_t>(i * n + i)] = 0.5 * static_cast<double>(n);
  }
  OwnedMatrix g = backend.matrix(DType::f64, n, n);
  backend.upload({diagonal.data(), DType::f64, n, n, n}, g.view());
  ops::gram(backend, x.view(), g.view());
  return g;
}

void solver_rows(Bench& bench) {
  Backend& backend = bench.backend();
  for (const std::int64_t n : {ffn, hidden}) {
    const OwnedMatrix g = random_gram(bench, n);
    OwnedMatrix a = backend.matrix(DType::f64, n, n), b = bench.random(DType::f64, n, hidden);
    OwnedMatrix values = backend.matrix(DType::f64, 1, n);
    const double cube = static_cast<double>(n * n * n);
    const std::string size = std::string(" ").append(std::to_string(n));
    bench.row("f64 multiply" + size, 2 * cube, "GFLOP/s",
              [&] { ops::multiply(backend, g.view(), Transpose::no, g.view(), Transpose::no, a.view()); });
    bench.row("f64 cholesky" + size, cube / 3, "GFLOP/s", [&] {
      ops::convert(backend, g.view(), a.view());
      if (ops::cholesky(backend, a.view())) {
        std::puts("not positive definite");
      }
    });
    ops::convert(backend, g.view(), a.view());
    if (!ops::cholesky(backend, a.view())) {
      bench.row("f64 cholesky_solve" + size, 2 * static_cast<double>(n * n * hidden), "GFLOP/s",
                [&] { ops::cholesky_solve(backend, a.view(), b.view()); });
    }
    bench.row("f64 cholesky + inverse" + size, cube, "GFLOP/s", [&] {
      ops::convert(backend, g.view(), a.view());
      if (!ops::cholesky(backend, a.view())) {
        ops::cholesky_inverse(backend, a.view());
      }
    });
    bench.row("f64 eigenvalues" + size, 4 * cube / 3, "GFLOP/s", [&] {
      ops::convert(backend, g.view(), a.view());
      ops::eigenvalues_symmetric(backend, a.view(), values.view());
    });
    bench.row("f64 eigen" + size, 9 * cube, "GFLOP/s", [&] {
      ops::convert(backend, g.view(), a.view());
      ops::eigen_symmetric(backend, a.view(), values.view());
    });
  }
  OwnedMatrix a = backend.matrix(DType::f64, 64, hidden), u = backend.matrix(DType::f64, 64, 64);
  OwnedMatrix values = backend.matrix(DType::f64, 1, 64), v = backend.matrix(DType::f64, 64, hidden);
  const OwnedMatrix x = bench.random(DType::f64, 64, hidden);
  bench.row("f64 singular_values 64 x 576", 6.0 * 64 * 64 * hidden, "GFLOP/s", [&] {
    ops::convert(backend, x.view(), a.view());
    ops::singular_values(backend, a.view(), u.view(), values.view(), v.view());
  });
}

/// The regularisers of fine-tuning on one layer's matrices.
void regulariser_rows(Bench& bench) {
  Backend& backend = bench.backend();
  constexpr std::int64_t width = 1088, sketch_width = 256;
  for (const std::int64_t n : {width, hidden, groups * head_dim}) {
    const OwnedMatrix weights = bench.random(DType::f32, n, hidden);
    const double step = 4.0 * static_cast<double>(n * hidden * std::min(n, hidden));
    for (const auto& [name, options] :
         {std::pair{"polar f32 ", PolarOptions{}},
          std::pair{"polar bf16 halves ", PolarOptions{.product_dtype = DType::bf16}},
          std::pair{"polar eigen ", PolarOptions{.largest_step_count = 0}}}) {
      const PolarFactor factor = polar_factor(backend, weights.view(), options);
      bench.row(name + std::to_string(n) + " x 576, " + std::to_string(factor.steps) + " steps",
                step * std::max(1, factor.steps), "GFLOP/s",
                [&, own = options] { polar_factor(backend, weights.view(), own); });
    }
  }
  const SimilaritySketch sketch(backend, hidden, 1);
  const SketchMaps maps(backend, sketch);
  const OwnedMatrix covariance = bench.random(DType::f32, width, width),
                    weights = bench.random(DType::f32, hidden, width);
  SketchedWeights trained(backend, maps, covariance.view());
  OwnedMatrix signature = backend.zeros(DType::f64, 1, maps.size()),
              gradient = backend.zeros(DType::f32, hidden, width);
  const double forward = 4.0 * sketch_width * static_cast<double>(width * (hidden + width)) +
                         2.0 * sketch_width * sketch_width * width;
  bench.row("similarity signature 1088", forward, "GFLOP/s",
            [&] { trained.signature(weights.view(), signature.view()); });
  bench.row("similarity gradient 1088", 4.0 * sketch_width * hidden * (sketch_width + width), "GFLOP/s",
            [&] { trained.add_gradient(signature.view(), 1.0, gradient.view()); });
}

}  // namespace
}  // namespace cce

int main(int argc, char** argv) {
  try {
    const std::string device = argc > 3 ? argv[3] : "cpu";
    cce::Bench bench(argc > 1 ? std::atoi(argv[1]) : 1, argc > 2 ? argv[2] : "", device);
    if (device != "cpu") {
      cce::large_product_rows(bench);
    }
    for (const auto& [dtype, prefix] : {std::pair{cce::DType::bf16, "bf16"}, {cce::DType::f32, "f32"}}) {
      cce::product_rows(bench, dtype, prefix);
      cce::attention_rows(bench, dtype, prefix);
      cce::output_rows(bench, dtype, prefix);
    }
    cce::element_rows(bench);
    cce::optimiser_rows(bench);
    cce::solver_rows(bench);
    cce::regulariser_rows(bench);
  } catch (const cce::Error& error) {
    std::fprintf(stderr, "%s\n", cce::describe(error).c_str());
    return cce::exit_code(error.code);
  }
  return 0;
}
