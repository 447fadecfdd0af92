#include "worker/tensor/ops/output/output_jobs_cpu.h"

#include <algorithm>

#include "worker/tensor/ops/products/product_ops.h"
#include "worker/tensor/row_pointer.h"

namespace cce::cpu_ops {

OutputJob output_job(ConstMatrix hidden, ConstMatrix head, std::int64_t first, std::int64_t count) {
  return {.hidden = row_of(hidden, first),
          .head = head.data,
          .hidden_stride = hidden.stride,
          .head_stride = head.stride,
          .tokens = count,
          .hidden_size = hidden.cols,
          .vocabulary = head.rows};
}

void for_each_output_job(CpuBackend& cpu, std::int64_t tokens, std::int64_t largest_job,
                         std::int64_t hidden_size,
                         const std::function<std::size_t(std::int64_t)>& scratch_bytes,
                         const std::function<void(std::int64_t, std::int64_t, std::byte*)>& work) {
  const std::int64_t share = (tokens + cpu.threads() - 1) / cpu.threads();
  const std::int64_t job_tokens = std::min<std::int64_t>((share + 31) / 32 * 32, largest_job);
  const std::size_t bytes = (scratch_bytes(job_tokens) + 4095) / 4096 * 4096;
  std::byte* memory = cpu.scratch(bytes * static_cast<std::size_t>(cpu.threads()));
  const std::int64_t jobs = (tokens + job_tokens - 1) / job_tokens;
  cpu.in_parallel(jobs, job_tokens * hidden_size, [&](std::int64_t begin, std::int64_t end, int thread) {
    for (std::int64_t job = begin; job < end; ++job) {
      const std::int64_t first = job * job_tokens;
      work(first, std::min(job_tokens, tokens - first), memory + bytes * static_cast<std::size_t>(thread));
    }
  });
}

void compute_logits(CpuBackend& cpu, ConstMatrix hidden, ConstMatrix head, Matrix logits) {
  ops::multiply(cpu, hidden, Transpose::no, head, Transpose::yes, logits, 1.0, 0.0);
}

}  // namespace cce::cpu_ops
