#include <algorithm>

#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/output/output_jobs_cpu.h"
#include "worker/tensor/ops/output/output_ops.h"
#include "worker/tensor/ops/products/product_ops.h"
#include "worker/tensor/row_pointer.h"

namespace cce {
namespace cpu_ops {
namespace {

/// Tokens whose logits, of two models, are in memory at once: 128 × 49,152 in f32 are 24 MiB each.
constexpr std::int64_t chunk_tokens = 128;

/// Tokens of a tile job: the panels of both models and the gradient's sums stay in the second-level cache.
constexpr std::int64_t largest_job = 256;

}  // namespace

void output_divergence_in_tiles(CpuBackend& cpu, ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                                ConstMatrix teacher_head, double scale, Matrix divergence, Matrix d_hidden) {
  const auto scratch_bytes = [&](std::int64_t tokens) {
    return cpu.kernels().output.divergence_scratch(tokens, hidden.cols, teacher.cols);
  };
  for_each_output_job(cpu, hidden.rows, largest_job, hidden.cols, scratch_bytes,
                      [&](std::int64_t first, std::int64_t count, std::byte* memory) {
                        DivergenceJob job{.student = output_job(hidden, head, first, count),
                                          .teacher = output_job(teacher, teacher_head, first, count),
                                          .scale = static_cast<float>(scale),
                                          .divergence = divergence.as<float>() + first,
                                          .scratch = memory};
                        job.student.d_hidden = d_hidden.as<float>() + first * d_hidden.stride;
                        job.student.d_hidden_stride = d_hidden.stride;
                        cpu.kernels().output.output_divergence(job);
                      });
}

void output_divergence(CpuBackend& cpu, ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                       ConstMatrix teacher_head, double scale, Matrix divergence, Matrix d_hidden) {
  if (hidden.rows == 0) {
    return;
  }
  if (hidden.dtype == DType::bf16 && cpu.kernels().output.output_divergence != nullptr && !hidden.empty() &&
      !head.empty()) {
    output_divergence_in_tiles(cpu, hidden, head, teacher, teacher_head, scale, divergence, d_hidden);
    return;
  }
  const std::int64_t vocabulary = head.rows, chunk = std::min(hidden.rows, chunk_tokens);
  const std::size_t bytes = static_cast<std::size_t>(chunk * vocabulary) * sizeof(float);
  std::byte* memory = cpu.scratch(3 * bytes);
  for (std::int64_t first = 0; first < hidden.rows; first += chunk_tokens) {
    const std::int64_t count = std::min(chunk_tokens, hidden.rows - first);
    const Matrix logits{memory, DType::f32, count, vocabulary, vocabulary};
    const Matrix teacher_logits{memory + bytes, DType::f32, count, vocabulary, vocabulary};
    // q − p, in the dtype of the product that follows
    const Matrix errors{memory + 2 * bytes, hidden.dtype, count, vocabulary, vocabulary};
    compute_logits(cpu, hidden.rows_from(first, count), head, logits);
    compute_logits(cpu, teacher.rows_from(first, count), teacher_head, teacher_logits);
    cpu.in_parallel(count, vocabulary, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float* row = logits.as<float>() + i * vocabulary;
        const float* teacher_row = teacher_logits.as<float>() + i * vocabulary;
        divergence.as<float>()[first + i] = cpu.kernels().output.divergence(
            row, cpu.kernels().output.log_sum_exp(row, vocabulary), teacher_row,
            cpu.kernels().output.log_sum_exp(teacher_row, vocabulary), row_of(errors, i), errors.dtype,
            vocabulary);
      }
    });
    ops::multiply(cpu, errors, Transpose::no, head, Transpose::no, d_hidden.rows_from(first, count), scale,
                  0.0);
  }
}

}  // namespace cpu_ops

}  // namespace cce
