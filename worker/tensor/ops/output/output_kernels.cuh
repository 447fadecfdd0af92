#pragma once
#include "worker/tensor/cuda/kernels/reduce.cuh"

/// The output layer after its product: softmax statistics, losses, drawn labels and errors of a chunk of
/// logits, tokens × words, f32. A block takes a token. Words of the chunk start at `first_word`.
namespace cce::cuda_kernels {

/// Logits of a chunk: row t, word first_word + j at data[t stride + j].
struct LogitsChunk {
  const float* data;
  std::int64_t stride, words, first_word;
};

/// What is known of each token after some chunks.
struct SoftmaxState {
  float* maximum;
  float* total;  ///< Σ exp(logit − maximum)

  __device__ float log_sum_exp(std::int64_t token) const { return maximum[token] + logf(total[token]); }
};

/// The labels of a batch. `drawn` starts at −1 where labels are to be drawn from p; elsewhere it is `labels`
/// itself.
struct Labels {
  const std::int32_t* labels;  ///< negative: a token without a loss
  std::int32_t* drawn;
  const float* uniforms;  ///< null: the labels stand
  double* through;        ///< Σ p over the words so far
  float* at_label;        ///< logit of the label, once its chunk was seen
};

__device__ inline Quad load_logits(const LogitsChunk& logits, std::int64_t token, std::int64_t word) {
  return load_quad(logits.data + token * logits.stride + word, logits.words - word);
}

/// Takes a chunk into the state; the first chunk starts it.
template <typename = void>
__global__ void add_softmax_statistics(LogitsChunk logits, SoftmaxState state) {
  const std::int64_t token = blockIdx.x;
  const float before = logits.first_word == 0 ? -3.0e38f : state.maximum[token];
  float top = before;
  for_each_quad_of_row(logits.words, [&](std::int64_t word) {
    const Quad quad = load_logits(logits, token, word);
    for (int i = 0; i < 4 && word + i < logits.words; ++i) {
      top = fmaxf(top, quad.value[i]);
    }
  });
  top = block_maximum(top, shared_memory());
  float total = 0.0f;
  for_each_quad_of_row(logits.words, [&](std::int64_t word) {
    const Quad quad = load_logits(logits, token, word);
    for (int i = 0; i < 4 && word + i < logits.words; ++i) {
      total += expf(quad.value[i] - top);
    }
  });
  total = block_sum(total, shared_memory());
  if (threadIdx.x == 0) {
    const float earlier = logits.first_word == 0 ? 0.0f : state.total[token] * expf(before - top);
    state.maximum[token] = top;
    state.total[token] = earlier + total;
  }
}

/// Keeps the logits of the labels that lie in the chunk; a thread per token.
template <typename = void>
__global__ void keep_label_logits(LogitsChunk logits, Labels labels, std::int64_t tokens) {
  const std::int64_t token = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (token < tokens && labels.labels[token] >= 0) {
    const std::int64_t word = labels.drawn[token] - logits.first_word;
    if (word >= 0 && word < logits.words) {
      labels.at_label[token] = logits.data[token * logits.stride + word];
    }
  }
}

/// losses_t ← log Σ exp − logit of the label, 0 without one; a thread per token.
template <typename = void>
__global__ void losses_of_labels(SoftmaxState state, Labels labels, std::int64_t tokens, float* losses) {
  const std::int64_t token = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (token < tokens) {
    losses[token] = labels.labels[token] < 0 ? 0.0f : state.log_sum_exp(token) - labels.at_label[token];
  }
}

/// Bytes of shared memory of draw_labels with so many threads.
__host__ __device__ constexpr std::size_t draw_bytes(unsigned threads) {
  return reduction_bytes + 4 * threads * sizeof(float);
}

/// Where Σ p first exceeds the token's uniform, that word becomes its label: sums segment by segment, and
/// word by word only inside the segment that crosses. The last word of the vocabulary if rounding leaves
/// none.
template <typename = void>
__global__ void draw_labels(LogitsChunk logits, SoftmaxState state, Labels labels, std::int64_t vocabulary) {
  const std::int64_t token = blockIdx.x;
  if (labels.labels[token] < 0 || labels.drawn[token] >= 0) {
    return;  // all of the block's threads
  }
  unsigned char* shared = shared_memory();
  auto* p = reinterpret_cast<float*>(shared + reduction_bytes);
  const std::int64_t segment = 4 * static_cast<std::int64_t>(blockDim.x);
  const float log_sum_exp = state.log_sum_exp(token);
  const auto uniform = static_cast<double>(labels.uniforms[token]);
  double through = logits.first_word == 0 ? 0.0 : labels.through[token];
  std::int64_t first = 0;
  bool crossed = false;
  for (; first < logits.words && !crossed; first += segment) {
    const std::int64_t word = first + 4 * static_cast<std::int64_t>(threadIdx.x);
    const Quad quad = load_logits(logits, token, word < logits.words ? word : logits.words);
    double own = 0.0;
    for (int i = 0; i < 4; ++i) {
      const float value = word + i < logits.words ? expf(quad.value[i] - log_sum_exp) : 0.0f;
      p[4 * threadIdx.x + static_cast<unsigned>(i)] = value;
      own += static_cast<double>(value);
    }
    const double next = through + block_sum(own, shared);
    crossed = next > uniform;
    through = crossed ? through : next;
  }
  __syncthreads();  // p is whole
  if (threadIdx.x != 0) {
    return;
  }
  const bool at_end = logits.first_word + logits.words == vocabulary;
  std::int64_t found = at_end ? logits.words - 1 : -1;
  if (crossed) {
    first -= segment;
    const std::int64_t count = smaller(segment, logits.words - first);
    found = first + count - 1;
    for (std::int64_t i = 0; i < count; ++i) {
      through += static_cast<double>(p[i]);
      if (through > uniform) {
        found = first + i;
        break;
      }
    }
  }
  labels.through[token] = through;
  if (found >= 0) {
    labels.drawn[token] = static_cast<std::int32_t>(logits.first_word + found);
  }
}

/// errors ← p − [word = label], 0 for tokens without a label; tokens × words. p − 1 from p in full precision:
/// near 1 the rounded p has lost it.
template <typename T>
__global__ void softmax_errors(LogitsChunk logits, SoftmaxState state, Labels labels, T* errors,
                               std::int64_t stride) {
  const std::int64_t token = blockIdx.x;
  const bool counted = labels.labels[token] >= 0;
  const std::int64_t label = labels.drawn[token] - logits.first_word;
  const float log_sum_exp = state.log_sum_exp(token);
  for_each_quad_of_row(logits.words, [&](std::int64_t word) {
    Quad quad = load_logits(logits, token, word);
    for (int i = 0; i < 4; ++i) {
      const float p = expf(quad.value[i] - log_sum_exp);
      quad.value[i] = counted ? p - (word + i == label ? 1.0f : 0.0f) : 0.0f;
    }
    store_quad(quad, errors + token * stride + word, logits.words - word);
  });
}

/// divergence_t ← Σ p (log p − log q) of the chunk, added to the earlier chunks'; errors ← q − p. p from the
/// teacher's logits, q from the student's.
template <typename T>
__global__ void divergence_errors(LogitsChunk student, SoftmaxState student_state, LogitsChunk teacher,
                                  SoftmaxState teacher_state, float* divergence, T* errors,
                                  std::int64_t stride) {
  const std::int64_t token = blockIdx.x;
  const float log_sum_q = student_state.log_sum_exp(token), log_sum_p = teacher_state.log_sum_exp(token);
  float total = 0.0f;
  for_each_quad_of_row(student.words, [&](std::int64_t word) {
    Quad of_student = load_logits(student, token, word);
    const Quad of_teacher = load_logits(teacher, token, word);
    for (int i = 0; i < 4; ++i) {
      const float log_q = of_student.value[i] - log_sum_q, log_p = of_teacher.value[i] - log_sum_p;
      const float p = expf(log_p);
      if (word + i < student.words) {
        total += p * (log_p - log_q);
      }
      of_student.value[i] = expf(log_q) - p;
    }
    store_quad(of_student, errors + token * stride + word, student.words - word);
  });
  total = block_sum(total, shared_memory());
  if (threadIdx.x == 0) {
    divergence[token] = student.first_word == 0 ? total : divergence[token] + total;
  }
}

}  // namespace cce::cuda_kernels
