#include <algorithm>
#include <vector>

#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/attention/attention_ops.h"
#include "worker/tensor/ops/entry.h"
#include "worker/tensor/row_pointer.h"

namespace cce {
namespace cpu_ops {
namespace {

/// The part of an attention that one thread computes at a time: queries and keys of one group of one
/// sequence.
AttentionJob job_of(const AttentionShape& shape, ConstMatrix q, ConstMatrix k, std::int64_t sequence,
                    std::int64_t group) {
  AttentionJob job;
  job.shape = shape;
  job.dtype = q.dtype;
  job.q = element_of(q, sequence * shape.query_length, group * shape.queries_per_group * shape.qk_dim);
  job.k = element_of(k, sequence * shape.key_length, group * shape.qk_dim);
  job.q_stride = q.stride;
  job.k_stride = k.stride;
  return job;
}

/// First element of a matrix of values, or of outputs with `heads` per group, for that group.
std::int64_t output_column(const AttentionShape& shape, std::int64_t group) {
  return group * shape.queries_per_group * shape.vo_dim;
}

void for_each_attention_job(CpuBackend& cpu, const AttentionShape& shape, std::size_t scratch_bytes,
                            const std::function<void(std::int64_t, std::int64_t, std::byte*)>& work) {
  const std::int64_t jobs = shape.sequences * shape.kv_groups;
  const std::int64_t job_elements = shape.query_length * shape.key_length * shape.queries_per_group;
  const std::size_t aligned = (scratch_bytes + 4095) / 4096 * 4096;
  std::byte* memory =
      cpu.scratch(aligned * static_cast<std::size_t>(std::clamp<std::int64_t>(jobs, 1, cpu.threads())));
  cpu.in_parallel(jobs, job_elements, [&](std::int64_t first, std::int64_t last, int thread) {
    for (std::int64_t job = first; job < last; ++job) {
      work(job / shape.kv_groups, job % shape.kv_groups, memory + aligned * static_cast<std::size_t>(thread));
    }
  });
}

}  // namespace

void attention_forward(CpuBackend& cpu, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                       ConstMatrix v, Matrix out, Matrix log_sum_exp) {
  const auto work = [&](std::int64_t sequence, std::int64_t group, std::byte* memory) {
    AttentionJob job = job_of(shape, q, k, sequence, group);
    job.v = element_of(v, sequence * shape.key_length, group * shape.vo_dim);
    job.out = element_of(out, sequence * shape.query_length, output_column(shape, group));
    job.v_stride = v.stride;
    job.out_stride = out.stride;
    if (!log_sum_exp.empty()) {
      job.log_sum_exp = log_sum_exp.as<float>() + sequence * shape.query_length * log_sum_exp.stride +
                        group * shape.queries_per_group;
      job.log_sum_exp_stride = log_sum_exp.stride;
    }
    job.scratch = memory;
    cpu.kernels().attention.attention_forward(job);
  };
  for_each_attention_job(cpu, shape, cpu.kernels().attention.attention_forward_scratch(shape, q.dtype), work);
}

void attention_backward(CpuBackend& cpu, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                        ConstMatrix v, ConstMatrix out, ConstMatrix log_sum_exp, ConstMatrix d_out,
                        Matrix d_q, Matrix d_k, Matrix d_v) {
  const auto work = [&](std::int64_t sequence, std::int64_t group, std::byte* memory) {
    const std::int64_t row = sequence * shape.key_length, column = output_column(shape, group);
    AttentionJob job = job_of(shape, q, k, sequence, group);
    job.gradient_dtype = d_q.dtype;
    job.v = element_of(v, row, group * shape.vo_dim);
    job.out = const_cast<std::byte*>(element_of(out, row, column));  // the backward kernel only reads it
    job.d_out = element_of(d_out, row, column);
    job.d_q = element_of(d_q, row, group * shape.queries_per_group * shape.qk_dim);
    job.d_k = element_of(d_k, row, group * shape.qk_dim);
    job.d_v = element_of(d_v, row, group * shape.vo_dim);
    job.log_sum_exp = const_cast<float*>(log_sum_exp.as<float>()) + row * log_sum_exp.stride +
                      group * shape.queries_per_group;
    job.v_stride = v.stride;
    job.out_stride = out.stride;
    job.d_out_stride = d_out.stride;
    job.d_q_stride = d_q.stride;
    job.d_k_stride = d_k.stride;
    job.d_v_stride = d_v.stride;
    job.log_sum_exp_stride = log_sum_exp.stride;
    job.scratch = memory;
    cpu.kernels().attention.attention_backward(job);
  };
  for_each_attention_job(cpu, shape, cpu.kernels().attention.attention_backward_scratch(shape, q.dtype),
                         work);
}

void attention_variance(CpuBackend& cpu, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                        ConstMatrix log_sum_exp, std::int64_t first_query, Matrix variance) {
  // Every (sequence, head) has a sum of its own; they are added in order, whatever thread made them.
  std::vector<double> sums(static_cast<std::size_t>(shape.sequences * shape.query_heads()), 0.0);
  const auto work = [&](std::int64_t sequence, std::int64_t group, std::byte* memory) {
    AttentionJob job = job_of(shape, q, k, sequence, group);
    job.log_sum_exp = const_cast<float*>(log_sum_exp.as<float>()) +
                      sequence * shape.query_length * log_sum_exp.stride + group * shape.queries_per_group;
    job.log_sum_exp_stride = log_sum_exp.stride;
    job.first_query = first_query;
    job.variance = sums.data() + sequence * shape.query_heads() + group * shape.queries_per_group;
    job.scratch = memory;
    cpu.kernels().attention.attention_variance(job);
  };
  for_each_attention_job(cpu, shape, cpu.kernels().attention.attention_variance_scratch(shape, q.dtype),
                         work);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    variance.as<double>()[i % static_cast<std::size_t>(shape.query_heads())] += sums[i];
  }
}

}  // namespace cpu_ops

const AttentionOps& cpu_attention_ops() {
  static constexpr AttentionOps table{
      .attention_forward = OpEntry<CpuBackend, cpu_ops::attention_forward>::call,
      .attention_backward = OpEntry<CpuBackend, cpu_ops::attention_backward>::call,
      .attention_variance = OpEntry<CpuBackend, cpu_ops::attention_variance>::call};
  return table;
}

}  // namespace cce
