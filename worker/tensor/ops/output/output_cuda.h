#pragma once
#include <vector>

#include "worker/tensor/cuda/kernels/launch_shape.h"
#include "worker/tensor/ops/output/output_kernels.cuh"
#include "worker/tensor/ops/output/output_ops.h"
#include "worker/tensor/ops/products/product_ops.h"

/// The output layer fused with its loss, as output_ops.h defines it: a chunk of tokens × a chunk of words at a
/// time, so that no more logits than Device::logits_limit() are in memory.
///   1. statistics of every token, chunk by chunk of words
///   2. errors of each chunk from its logits, made again unless they are still there, and their product with
///      the chunk's rows of the head
namespace cce::cuda_kernels {

struct OutputChunks {
  std::int64_t tokens, words;
};

/// All words at once if at least some hundred tokens then fit: step 2 finds the logits of step 1.
inline OutputChunks output_chunks(std::int64_t limit, std::int64_t tokens, std::int64_t vocabulary) {
  constexpr std::int64_t worthwhile_tokens = 256;
  const std::int64_t least_tokens = std::min(tokens, worthwhile_tokens);
  const std::int64_t words =
      std::clamp<std::int64_t>(limit / least_tokens, 1, std::max<std::int64_t>(vocabulary, 1));
  return {std::clamp<std::int64_t>(limit / words, 1, tokens), words};
}

/// Memory of one model's output layer for a chunk.
template <typename Device>
class OutputLogits {
 public:
  OutputLogits(const Device& device, ConstMatrix hidden, ConstMatrix head, OutputChunks chunks)
      : device_(device),
        hidden_(hidden),
        head_(head),
        logits_(device.backend(), chunks.tokens * chunks.words),
        statistics_(device.backend(), 2 * chunks.tokens),
        state_{statistics_.data(), statistics_.data() + chunks.tokens} {}

  /// Makes the logits of tokens [token, token + tokens) and words [word, word + words).
  LogitsChunk make(std::int64_t token, std::int64_t tokens, std::int64_t word, std::int64_t words) const {
    ops::multiply(device_.backend(), hidden_.rows_from(token, tokens), Transpose::no,
                  head_.rows_from(word, words), Transpose::yes,
                  {logits_.data(), DType::f32, tokens, words, words});
    return {logits_.data(), words, words, word};
  }
  void add_statistics(const LogitsChunk& logits, std::int64_t tokens) const {
    device_.launch(rows_shape(tokens, logits.words), add_softmax_statistics<>, logits, state_);
  }
  const SoftmaxState& state() const { return state_; }

 private:
  const Device& device_;
  ConstMatrix hidden_, head_;
  Scratch<float> logits_, statistics_;
  SoftmaxState state_;
};

/// Calls body(first, count) for every chunk of `size` of `total`.
template <typename Body>
void for_each_chunk(std::int64_t total, std::int64_t size, Body body) {
  for (std::int64_t first = 0; first < total; first += size) {
    body(first, std::min(size, total - first));
  }
}

/// Labels on the device, one chunk of tokens at a time.
template <typename Device>
class OutputLabels {
 public:
  OutputLabels(const Device& device, std::span<const std::int32_t> labels, std::span<const float> uniforms,
               std::int64_t chunk_tokens)
      : tokens_(std::ssize(labels)),
        labels_(device.backend(), 2 * tokens_),
        uniforms_(device.backend(), std::ssize(uniforms)),
        through_(device.backend(), chunk_tokens),
        at_label_(device.backend(), chunk_tokens) {
    copy_to_device(device.backend(), labels.data(), labels_.data(), tokens_);
    const std::vector<std::int32_t> none(uniforms.size(), -1);
    if (!uniforms.empty()) {
      copy_to_device(device.backend(), none.data(), drawn(), tokens_);
      copy_to_device(device.backend(), uniforms.data(), uniforms_.data(), tokens_);
    }
  }

  Labels from(std::int64_t token) const {
    const bool draws = uniforms_.data() != nullptr;
    return {labels_.data() + token, (draws ? drawn() : labels_.data()) + token,
            draws ? uniforms_.data() + token : nullptr, through_.data(), at_label_.data()};
  }
  /// Puts the drawn labels where there was one.
  void read_drawn(const Device& device, std::span<std::int32_t> labels) const {
    std::vector<std::int32_t> all(labels.size());
    copy_to_host(device.backend(), drawn(), all.data(), tokens_);
    for (std::size_t t = 0; t < labels.size(); ++t) {
      labels[t] = labels[t] < 0 ? labels[t] : all[t];
    }
  }

 private:
  std::int32_t* drawn() const { return labels_.data() + tokens_; }

  std::int64_t tokens_;
  Scratch<std::int32_t> labels_;  ///< given, then drawn
  Scratch<float> uniforms_;
  Scratch<double> through_;
  Scratch<float> at_label_;
};

template <typename Device>
void output_losses(Backend& backend, ConstMatrix hidden, ConstMatrix head,
                   std::span<const std::int32_t> labels, Matrix losses) {
  const Device device(backend, "output_losses");
  if (hidden.rows == 0) {
    return;
  }
  const OutputChunks chunks = output_chunks(device.logits_limit(), hidden.rows, head.rows);
  const OutputLogits<Device> model(device, hidden, head, chunks);
  const OutputLabels<Device> all_labels(device, labels, {}, chunks.tokens);
  for_each_chunk(hidden.rows, chunks.tokens, [&](std::int64_t token, std::int64_t tokens) {
    const Labels own = all_labels.from(token);
    for_each_chunk(head.rows, chunks.words, [&](std::int64_t word, std::int64_t words) {
      const LogitsChunk logits = model.make(token, tokens, word, words);
      model.add_statistics(logits, tokens);
      device.launch(items_shape(tokens), keep_label_logits<>, logits, own, tokens);
    });
    device.launch(items_shape(tokens), losses_of_labels<>, model.state(), own, tokens,
                  losses.as<float>() + token);
  });
}

/// d_hidden's rows of a chunk of tokens ← or += factor errors head_words.
template <typename Device>
void multiply_errors(const Device& device, ConstMatrix errors, ConstMatrix head, std::int64_t word,
                     double factor, Matrix d_hidden) {
  ops::multiply(device.backend(), errors, Transpose::no, head.rows_from(word, errors.cols), Transpose::no,
                d_hidden, factor, word == 0 ? 0.0 : 1.0);
}

template <typename Device>
void output_gradient(Backend& backend, ConstMatrix hidden, ConstMatrix head, std::span<std::int32_t> labels,
                     std::span<const float> uniforms, Matrix losses, Matrix d_hidden) {
  const Device device(backend, "output_gradient");
  if (hidden.rows == 0 || head.rows == 0) {  // no word: no token has a label
    device.backend().fill_zero(losses);
    device.backend().fill_zero(d_hidden);
    return;
  }
  const OutputChunks chunks = output_chunks(device.logits_limit(), hidden.rows, head.rows);
  const OutputLogits<Device> model(device, hidden, head, chunks);
  const OutputLabels<Device> all_labels(device, labels, uniforms, chunks.tokens);
  OwnedMatrix errors = device.backend().matrix(hidden.dtype, chunks.tokens, chunks.words);
  const auto errors_of = [&](const LogitsChunk& logits, const Labels& own, std::int64_t tokens) {
    const Matrix view{errors.view().data, hidden.dtype, tokens, logits.words, logits.words};
    with_activation_type(hidden.dtype, [&]<typename T>(T*) {
      device.launch(rows_shape(tokens, logits.words), softmax_errors<T>, logits, model.state(), own,
                    static_cast<T*>(view.data), view.stride);
    });
    return view;
  };
  for_each_chunk(hidden.rows, chunks.tokens, [&](std::int64_t token, std::int64_t tokens) {
    const Labels own = all_labels.from(token);
    LogitsChunk logits{};
    for_each_chunk(head.rows, chunks.words, [&](std::int64_t word, std::int64_t words) {  // 1.
      logits = model.make(token, tokens, word, words);
      model.add_statistics(logits, tokens);
    });
    for_each_chunk(head.rows, chunks.words, [&](std::int64_t word, std::int64_t words) {  // 2.
      if (chunks.words < head.rows) {
        logits = model.make(token, tokens, word, words);
      }
      if (!uniforms.empty()) {
        KernelShape shape = rows_shape(tokens, words);
        shape.shared_bytes = draw_bytes(shape.threads.x);
        device.launch(shape, draw_labels<>, logits, model.state(), own, head.rows);
      }
      device.launch(items_shape(tokens), keep_label_logits<>, logits, own, tokens);
      multiply_errors(device, errors_of(logits, own, tokens), head, word, 1.0,
                      d_hidden.rows_from(token, tokens));
    });
    device.launch(items_shape(tokens), losses_of_labels<>, model.state(), own, tokens,
                  losses.as<float>() + token);
  });
  if (!uniforms.empty()) {
    all_labels.read_drawn(device, labels);
  }
}

template <typename Device>
void output_divergence(Backend& backend, ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                       ConstMatrix teacher_head, double scale, Matrix divergence, Matrix d_hidden) {
  const Device device(backend, "output_divergence");
  if (hidden.rows == 0 || head.rows == 0) {
    device.backend().fill_zero(divergence);
    device.backend().fill_zero(d_hidden);
    return;
  }
  const OutputChunks chunks = output_chunks(device.logits_limit() / 2, hidden.rows, head.rows);
  const OutputLogits<Device> student(device, hidden, head, chunks);
  const OutputLogits<Device> other(device, teacher, teacher_head, chunks);
  OwnedMatrix errors = device.backend().matrix(hidden.dtype, chunks.tokens, chunks.words);
  for_each_chunk(hidden.rows, chunks.tokens, [&](std::int64_t token, std::int64_t tokens) {
    LogitsChunk own{}, others{};
    const auto make = [&](std::int64_t word, std::int64_t words) {
      own = student.make(token, tokens, word, words);
      others = other.make(token, tokens, word, words);
    };
    for_each_chunk(head.rows, chunks.words, [&](std::int64_t word, std::int64_t words) {  // 1.
      make(word, words);
      student.add_statistics(own, tokens);
      other.add_statistics(others, tokens);
    });
    for_each_chunk(head.rows, chunks.words, [&](std::int64_t word, std::int64_t words) {  // 2.
      if (chunks.words < head.rows) {
        make(word, words);
      }
      const Matrix view{errors.view().data, hidden.dtype, tokens, words, words};
      with_activation_type(hidden.dtype, [&]<typename T>(T*) {
        device.launch(rows_shape(tokens, words), divergence_errors<T>, own, student.state(), others,
                      other.state(), divergence.as<float>() + token, static_cast<T*>(view.data), view.stride);
      });
      multiply_errors(device, view, head, word, scale, d_hidden.rows_from(token, tokens));
    });
  });
}

template <typename Device>
constexpr OutputOps output_ops() {
  return {.output_losses = output_losses<Device>,
          .output_gradient = output_gradient<Device>,
          .output_divergence = output_divergence<Device>};
}

}  // namespace cce::cuda_kernels
