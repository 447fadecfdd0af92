#include <algorithm>
#include <vector>

#include "common/cost/limits.h"
#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/entry.h"
#include "worker/tensor/ops/output/output_jobs_cpu.h"
#include "worker/tensor/ops/output/output_ops.h"
#include "worker/tensor/ops/products/product_ops.h"
#include "worker/tensor/row_pointer.h"

namespace cce {
namespace cpu_ops {

void output_divergence(CpuBackend& cpu, ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                       ConstMatrix teacher_head, double scale, Matrix divergence, Matrix d_hidden);

namespace {

/// Tokens whose logits are in memory at once: 256 × 49,152 in f32 are 48 MiB.
constexpr std::int64_t chunk_tokens = cost::cpu_logits_rows;

/// Tokens of a tile job: their panels, and for the gradient its sums too, stay in the second-level cache.
constexpr std::int64_t loss_job_tokens = 512, gradient_job_tokens = 256;

std::size_t logits_bytes(std::int64_t tokens, std::int64_t vocabulary) {
  return static_cast<std::size_t>(std::min(tokens, chunk_tokens) * vocabulary) * sizeof(float);
}

}  // namespace

void output_losses(CpuBackend& cpu, ConstMatrix hidden, ConstMatrix head,
                   std::span<const std::int32_t> labels, Matrix losses) {
  if (hidden.dtype == DType::bf16 && cpu.kernels().output.output_losses != nullptr && !hidden.empty() &&
      !head.empty()) {
    const auto scratch_bytes = [&](std::int64_t tokens) {
      return cpu.kernels().output.output_scratch(tokens, hidden.cols, false);
    };
    for_each_output_job(cpu, hidden.rows, loss_job_tokens, hidden.cols, scratch_bytes,
                        [&](std::int64_t first, std::int64_t count, std::byte* memory) {
                          OutputJob job = output_job(hidden, head, first, count);
                          job.labels = labels.data() + first;
                          job.losses = losses.as<float>() + first;
                          job.scratch = memory;
                          cpu.kernels().output.output_losses(job);
                        });
    return;
  }
  const std::int64_t vocabulary = head.rows;
  auto* memory = cpu.scratch(logits_bytes(hidden.rows, vocabulary));
  for (std::int64_t first = 0; first < hidden.rows; first += chunk_tokens) {
    const std::int64_t count = std::min(chunk_tokens, hidden.rows - first);
    const Matrix logits{memory, DType::f32, count, vocabulary, vocabulary};
    compute_logits(cpu, hidden.rows_from(first, count), head, logits);
    cpu.in_parallel(count, vocabulary, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int32_t label = labels[static_cast<std::size_t>(first + i)];
        const float* row = logits.as<float>() + i * vocabulary;
        losses.as<float>()[first + i] =
            label < 0 ? 0.0f : cpu.kernels().output.log_sum_exp(row, vocabulary) - row[label];
      }
    });
  }
}

void output_gradient_in_tiles(CpuBackend& cpu, ConstMatrix hidden, ConstMatrix head,
                              std::span<std::int32_t> labels, std::span<const float> uniforms, Matrix losses,
                              Matrix d_hidden) {
  std::vector<std::int32_t> drawn(uniforms.size(), -1);
  const auto scratch_bytes = [&](std::int64_t tokens) {
    return cpu.kernels().output.output_scratch(tokens, hidden.cols, true);
  };
  for_each_output_job(cpu, hidden.rows, gradient_job_tokens, hidden.cols, scratch_bytes,
                      [&](std::int64_t first, std::int64_t count, std::byte* memory) {
                        OutputJob job = output_job(hidden, head, first, count);
                        job.labels = labels.data() + first;
                        job.losses = losses.as<float>() + first;
                        job.d_hidden = d_hidden.as<float>() + first * d_hidden.stride;
                        job.d_hidden_stride = d_hidden.stride;
                        job.uniforms = uniforms.empty() ? nullptr : uniforms.data() + first;
                        job.drawn = uniforms.empty() ? nullptr : drawn.data() + first;
                        job.scratch = memory;
                        cpu.kernels().output.output_gradient(job);
                      });
  for (std::size_t t = 0; t < drawn.size(); ++t) {
    labels[t] = labels[t] < 0 ? labels[t] : drawn[t];
  }
}

void output_gradient(CpuBackend& cpu, ConstMatrix hidden, ConstMatrix head, std::span<std::int32_t> labels,
                     std::span<const float> uniforms, Matrix losses, Matrix d_hidden) {
  if (hidden.dtype == DType::bf16 && cpu.kernels().output.output_gradient != nullptr && !hidden.empty() &&
      !head.empty()) {
    output_gradient_in_tiles(cpu, hidden, head, labels, uniforms, losses, d_hidden);
    return;
  }
  const std::int64_t vocabulary = head.rows;
  const std::size_t bytes = logits_bytes(hidden.rows, vocabulary);
  std::byte* memory = cpu.scratch(2 * bytes);
  for (std::int64_t first = 0; first < hidden.rows; first += chunk_tokens) {
    const std::int64_t count = std::min(chunk_tokens, hidden.rows - first);
    const Matrix logits{memory, DType::f32, count, vocabulary, vocabulary};
    // p − [v = label], in the dtype of the product that follows
    const Matrix errors{memory + bytes, hidden.dtype, count, vocabulary, vocabulary};
    compute_logits(cpu, hidden.rows_from(first, count), head, logits);
    cpu.in_parallel(count, vocabulary, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) {
        std::int32_t& label = labels[static_cast<std::size_t>(first + i)];
        float* row = logits.as<float>() + i * vocabulary;
        const float log_sum_exp = label < 0 ? 0.0f : cpu.kernels().output.log_sum_exp(row, vocabulary);
        if (label < 0) {
          losses.as<float>()[first + i] = 0.0f;
          std::fill_n(row_of(errors, i), static_cast<std::size_t>(vocabulary) * size_in_bytes(errors.dtype),
                      std::byte{0});
          continue;
        }
        if (!uniforms.empty()) {
          label = static_cast<std::int32_t>(cpu.kernels().output.sample(
              row, log_sum_exp, uniforms[static_cast<std::size_t>(first + i)], vocabulary));
        }
        const float at_label = row[label];
        losses.as<float>()[first + i] = log_sum_exp - at_label;
        cpu.kernels().output.probabilities(row, log_sum_exp, row_of(errors, i), errors.dtype, vocabulary);
        float error = 0.0f;  // p − 1 from p in full precision: near 1 the rounded p has lost it
        cpu.kernels().output.probabilities(&at_label, log_sum_exp, &error, DType::f32, 1);
        error -= 1.0f;
        cpu.kernels().rows.convert(&error, DType::f32, element_of(errors, i, label), errors.dtype, 1);
      }
    });
    ops::multiply(cpu, errors, Transpose::no, head, Transpose::no, d_hidden.rows_from(first, count), 1.0,
                  0.0);
  }
}

}  // namespace cpu_ops

const OutputOps& cpu_output_ops() {
  static constexpr OutputOps table{
      .output_losses = OpEntry<CpuBackend, cpu_ops::output_losses>::call,
      .output_gradient = OpEntry<CpuBackend, cpu_ops::output_gradient>::call,
      .output_divergence = OpEntry<CpuBackend, cpu_ops::output_divergence>::call};
  return table;
}

}  // namespace cce
