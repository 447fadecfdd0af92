#pragma once
#include "worker/tensor/ops/output/output_kernel_table.h"
#include "worker/tensor/ops/output/output_kernels.h"

/// KL between the output layers of two models on AMX, as output.h does one: statistics of both, then q − p
/// from the recomputed logits, word block by word block.
namespace cce {
namespace {

#if defined(__AMX_BF16__)

struct DivergenceScratch {
  std::int32_t* labels;  ///< none: what the statistics of output.h want
  float* divergence;
  std::size_t own_bytes;
  OutputScratch student, teacher;
  std::size_t bytes;

  DivergenceScratch(std::int64_t tokens, std::int64_t hidden_size, std::int64_t teacher_hidden_size,
                    std::byte* block)
      : own_bytes(take_own(tokens, block)),
        student(tokens, hidden_size, true, after(block, own_bytes)),
        teacher(tokens, teacher_hidden_size, false, after(block, own_bytes + student.bytes)),
        bytes(own_bytes + student.bytes + teacher.bytes) {}

 private:
  static std::byte* after(std::byte* block, std::size_t offset) {
    return block == nullptr ? nullptr : block + offset;
  }
  std::size_t take_own(std::int64_t tokens, std::byte* block) {
    Scratch scratch(block);
    labels = scratch.take<std::int32_t>(tokens);
    divergence = scratch.take<float>(padded(tokens));
    return scratch.used();
  }
};

std::size_t divergence_scratch_bytes(std::int64_t tokens, std::int64_t hidden_size,
                                     std::int64_t teacher_hidden_size) {
  return DivergenceScratch(tokens, hidden_size, teacher_hidden_size, nullptr).bytes;
}

/// One tile of both models' logits: Σ p (log p − log q) of its words, and q − p into the panels of (q − p)ᵀ.
inline void add_tile_divergence(const DivergenceScratch& s, std::int64_t words, std::int64_t token,
                                std::int64_t panel_row) {
  for (std::int64_t at = 0; at < tile_side; at += lanes) {
    const Floats log_sum_exp = load(s.student.log_sum_exp + token + at, AllLanes{});
    const Floats teacher_log_sum_exp = load(s.teacher.log_sum_exp + token + at, AllLanes{});
    Floats total = load(s.divergence + token + at, AllLanes{});
    const auto error = [&](std::int64_t i) {
      const Floats log_q = load(s.student.tile + i * tile_side + at, AllLanes{}) - log_sum_exp;
      const Floats log_p = load(s.teacher.tile + i * tile_side + at, AllLanes{}) - teacher_log_sum_exp;
      const Floats p = exponential(log_p);
      if (i < words) {  // past the last word both are −∞
        total += p * (log_p - log_q);
      }
      return exponential(log_q) - p;
    };
    for (std::int64_t i = 0; i < tile_side; i += 2) {
      const Floats even = error(i), odd = error(i + 1);
      store_panel_pair(even, odd,
                       s.student.error_panels + panel_index<BFloat16>(panel_row + i, token + at, word_block));
    }
    store(total, s.divergence + token + at, AllLanes{});
  }
}

void output_divergence_job(const DivergenceJob& job) {
  const TileSession tiles;
  const DivergenceScratch s(job.student.tokens, job.student.hidden_size, job.teacher.hidden_size,
                            job.scratch);
  OutputJob student = job.student, teacher = job.teacher;
  for (std::int64_t t = 0; t < student.tokens; ++t) {
    s.labels[t] = -1;
  }
  student.labels = teacher.labels = s.labels;
  const std::int64_t count = padded(student.tokens), cols = padded(student.hidden_size);
  output_statistics(student, s.student);
  output_statistics(teacher, s.teacher);
  clear(s.student.d_hidden, count * cols);
  clear(s.divergence, count);
  for (std::int64_t word = 0; word < student.vocabulary; word += word_block) {
    const std::int64_t words = least(word_block, student.vocabulary - word);
    for (std::int64_t at = 0; at < words; at += tile_side) {
      std::int64_t stride = 0, teacher_stride = 0;
      const BFloat16* rows = head_rows(student, s.student, word + at, stride);
      const BFloat16* teacher_rows = head_rows(teacher, s.teacher, word + at, teacher_stride);
      for (std::int64_t token = 0; token < count; token += tile_side) {
        logits_tile(student, s.student, rows, stride, word + at, token);
        logits_tile(teacher, s.teacher, teacher_rows, teacher_stride, word + at, token);
        add_tile_divergence(s, words - at, token, at);
      }
    }
    multiply_errors(student, s.student, word, words);
  }
  for (std::int64_t t = 0; t < student.tokens; ++t) {
    job.divergence[t] = s.divergence[t];
    scale_row(s.student.d_hidden + t * cols, DType::f32, job.scale,
              student.d_hidden + t * student.d_hidden_stride, DType::f32, student.hidden_size);
  }
}

#endif

constexpr OutputKernels make_output_kernels() {
  OutputKernels kernels{.log_sum_exp = log_sum_exp_row,
                        .probabilities = probabilities_row,
                        .sample = sample_row,
                        .divergence = divergence_row};
#if defined(__AMX_BF16__)
  kernels.output_scratch = output_scratch_bytes;
  kernels.output_losses = output_losses_job;
  kernels.output_gradient = output_gradient_job;
  kernels.divergence_scratch = divergence_scratch_bytes;
  kernels.output_divergence = output_divergence_job;
#endif
  return kernels;
}

}  // namespace
}  // namespace cce
