#include <algorithm>

#include "worker/tensor/cpu_backend.h"
#include "worker/tensor/row_pointer.h"
#include "worker/tensor/shape_checks.h"

namespace cce {
namespace {

/// Tokens whose logits, of two models, are in memory at once: 128 × 49,152 in f32 are 24 MiB each.
constexpr std::int64_t chunk_tokens = 128;

/// Tokens of a tile job: the panels of both models and the gradient's sums stay in the second-level cache.
constexpr std::int64_t largest_job = 256;

}  // namespace

void CpuBackend::output_divergence_in_tiles(ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                                            ConstMatrix teacher_head, double scale, Matrix divergence,
                                            Matrix d_hidden) {
  const auto scratch_bytes = [&](std::int64_t tokens) {
    return kernels_.divergence_scratch(tokens, hidden.cols, teacher.cols);
  };
  for_each_output_job(hidden.rows, largest_job, hidden.cols, scratch_bytes,
                      [&](std::int64_t first, std::int64_t count, std::byte* memory) {
                        DivergenceJob job{.student = output_job(hidden, head, first, count),
                                          .teacher = output_job(teacher, teacher_head, first, count),
                                          .scale = static_cast<float>(scale),
                                          .divergence = divergence.as<float>() + first,
                                          .scratch = memory};
                        job.student.d_hidden = d_hidden.as<float>() + first * d_hidden.stride;
                        job.student.d_hidden_stride = d_hidden.stride;
                        kernels_.output_divergence(job);
                      });
}

void CpuBackend::output_divergence(ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                                   ConstMatrix teacher_head, double scale, Matrix divergence,
                                   Matrix d_hidden) {
  check_divergence(hidden, head, teacher, teacher_head, divergence, d_hidden);
  if (hidden.rows == 0) {
    return;
  }
  if (hidden.dtype == DType::bf16 && kernels_.output_divergence != nullptr && !hidden.empty() &&
      !head.empty()) {
    output_divergence_in_tiles(hidden, head, teacher, teacher_head, scale, divergence, d_hidden);
    return;
  }
  const std::int64_t vocabulary = head.rows, chunk = std::min(hidden.rows, chunk_tokens);
  const std::size_t bytes = static_cast<std::size_t>(chunk * vocabulary) * sizeof(float);
  std::byte* memory = grow(scratch_, 3 * bytes);
  for (std::int64_t first = 0; first < hidden.rows; first += chunk_tokens) {
    const std::int64_t count = std::min(chunk_tokens, hidden.rows - first);
    const Matrix logits{memory, DType::f32, count, vocabulary, vocabulary};
    const Matrix teacher_logits{memory + bytes, DType::f32, count, vocabulary, vocabulary};
    // q − p, in the dtype of the product that follows
    const Matrix errors{memory + 2 * bytes, hidden.dtype, count, vocabulary, vocabulary};
    compute_logits(hidden.rows_from(first, count), head, logits);
    compute_logits(teacher.rows_from(first, count), teacher_head, teacher_logits);
    in_parallel(count, vocabulary, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float* row = logits.as<float>() + i * vocabulary;
        const float* teacher_row = teacher_logits.as<float>() + i * vocabulary;
        divergence.as<float>()[first + i] = kernels_.divergence(
            row, kernels_.log_sum_exp(row, vocabulary), teacher_row,
            kernels_.log_sum_exp(teacher_row, vocabulary), row_of(errors, i), errors.dtype, vocabulary);
      }
    });
    multiply(errors, Transpose::no, head, Transpose::no, d_hidden.rows_from(first, count), scale, 0.0);
  }
}

}  // namespace cce
