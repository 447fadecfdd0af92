#pragma once
#include "worker/tensor/cpu/kernels/packing.h"
#include "worker/tensor/ops/output/output_kernel_table.h"
#include "worker/tensor/ops/output/softmax_kernels.h"

/// The output layer on AMX, fused with its softmax. Logits are made transposed, words × tokens: then the head
/// is the left operand and is read where it lies, and what belongs to a token is a lane. No logit leaves the
/// first-level cache.
///   1. statistics  maximum, Σ exp and the label's logit of each token, word block by word block
///   2. gradient    p from the recomputed logits, the label drawn on the way, then
///                  d_hidden += (p − [label]) head
namespace cce {
namespace {

#if defined(__AMX_BF16__)

/// Words whose probabilities are kept before they are multiplied by their rows of the head.
constexpr std::int64_t word_block = 512;

struct OutputScratch {
  BFloat16 *hidden, *words, *error_panels, *errors, *head_panels;
  float *tile, *d_hidden, *maximum, *total, *at_label, *log_sum_exp, *through;
  std::size_t bytes;

  OutputScratch(std::int64_t tokens, std::int64_t hidden_size, bool gradient, std::byte* block) {
    Scratch scratch(block);
    const std::int64_t count = padded(tokens), depth = padded(hidden_size);
    hidden = scratch.take<BFloat16>(count * depth);
    words = scratch.take<BFloat16>(tile_side * depth);
    tile = scratch.take<float>(tile_side * tile_side);
    maximum = scratch.take<float>(count);
    total = scratch.take<float>(count);
    at_label = scratch.take<float>(count);
    log_sum_exp = scratch.take<float>(count);
    through = scratch.take<float>(count);
    const std::int64_t kept = gradient ? word_block : 0;
    error_panels = scratch.take<BFloat16>(count * kept);
    errors = scratch.take<BFloat16>(count * kept);
    head_panels = scratch.take<BFloat16>(depth * kept);
    d_hidden = scratch.take<float>(gradient ? count * depth : 0);
    bytes = scratch.used();
  }
};

std::size_t output_scratch_bytes(std::int64_t tokens, std::int64_t hidden_size, bool gradient) {
  return OutputScratch(tokens, hidden_size, gradient, nullptr).bytes;
}

/// Rows [word, word + 32) of the head as a left operand: where they lie, or a padded copy.
inline const BFloat16* head_rows(const OutputJob& job, const OutputScratch& s, std::int64_t word,
                                 std::int64_t& stride) {
  const auto* head = static_cast<const BFloat16*>(job.head) + word * job.head_stride;
  const std::int64_t count = least(tile_side, job.vocabulary - word);
  stride = job.head_stride;
  if (count == tile_side && job.hidden_size % tile_side == 0) {
    return head;
  }
  stride = padded(job.hidden_size);
  pack_rows(Source<BFloat16>{head, job.head_stride, count, job.hidden_size}, s.words, stride);
  finish_stores(s.words);
  return s.words;
}

/// s.tile ← logits of words [word, word + 32) × tokens [token, token + 32); −∞ for words past the end.
inline void logits_tile(const OutputJob& job, const OutputScratch& s, const BFloat16* rows,
                        std::int64_t stride, std::int64_t word, std::int64_t token) {
  const std::int64_t depth = padded(job.hidden_size);
  const ProductArguments<BFloat16> block{
      rows,  stride, s.hidden + token * depth, depth * lanes, s.tile, tile_side, tile_side, tile_side,
      depth, false};
  const bool more_words = word + 2 * tile_side <= job.vocabulary;
  const BFloat16* next = rows + (more_words && rows != s.words ? tile_side * stride : 0);
  const std::int64_t parts = padded(job.tokens) / tile_side, part = token / tile_side;
  multiply_block(block, 0, 0, [&](std::int64_t k) {  // the next words come from far away
    for (std::int64_t i = tile_side * part / parts; i < tile_side * (part + 1) / parts; ++i) {
      __builtin_prefetch(next + i * stride + k, 0, 2);
    }
  });
  for (std::int64_t i = job.vocabulary - word; i < tile_side; ++i) {
    store(splat(minus_infinity), s.tile + i * tile_side, AllLanes{});
    store(splat(minus_infinity), s.tile + i * tile_side + lanes, AllLanes{});
  }
}

/// Step 1 on one tile, 16 tokens at a time.
inline void add_tile_statistics(const OutputJob& job, const OutputScratch& s, std::int64_t word,
                                std::int64_t token) {
  for (std::int64_t at = token; at < token + tile_side; at += lanes) {
    const float* column = s.tile + (at - token);
    const Floats before = load(s.maximum + at, AllLanes{});
    Floats top = before;
    for (std::int64_t i = 0; i < tile_side; ++i) {
      top = larger(top, load(column + i * tile_side, AllLanes{}));
    }
    Floats total = load(s.total + at, AllLanes{}) * exponential(before - top);
    for (std::int64_t i = 0; i < tile_side; ++i) {
      total += exponential(load(column + i * tile_side, AllLanes{}) - top);
    }
    store(top, s.maximum + at, AllLanes{});
    store(total, s.total + at, AllLanes{});
  }
  for (std::int64_t t = token; t < least(token + tile_side, job.tokens); ++t) {
    const std::int64_t row = job.labels[t] - word;
    if (row >= 0 && row < tile_side) {
      s.at_label[t] = s.tile[row * tile_side + (t - token)];
    }
  }
}

/// Packs the tokens and makes log Σ exp of each.
inline void output_statistics(const OutputJob& job, const OutputScratch& s) {
  const std::int64_t count = padded(job.tokens);
  pack_panels_transposed(Source<BFloat16>{static_cast<const BFloat16*>(job.hidden), job.hidden_stride,
                                          job.tokens, job.hidden_size},
                         s.hidden);
  for (std::int64_t t = 0; t < count; ++t) {
    s.maximum[t] = -3.0e38f;
    s.total[t] = 0.0f;
    s.at_label[t] = 0.0f;
  }
  finish_stores(s.hidden);
  for (std::int64_t word = 0; word < job.vocabulary; word += tile_side) {
    std::int64_t stride = 0;
    const BFloat16* rows = head_rows(job, s, word, stride);
    for (std::int64_t token = 0; token < count; token += tile_side) {
      logits_tile(job, s, rows, stride, word, token);
      add_tile_statistics(job, s, word, token);
    }
  }
  for (std::int64_t t = 0; t < count; ++t) {
    s.log_sum_exp[t] = s.maximum[t] + __builtin_logf(s.total[t]);
  }
}

void output_losses_job(const OutputJob& job) {
  const TileSession tiles;
  const OutputScratch s(job.tokens, job.hidden_size, false, job.scratch);
  output_statistics(job, s);
  for (std::int64_t t = 0; t < job.tokens; ++t) {
    job.losses[t] = job.labels[t] < 0 ? 0.0f : s.log_sum_exp[t] - s.at_label[t];
  }
}

/// Step 2 on one column of a tile, one token: the word where Σ p first exceeds the uniform becomes its label.
inline void draw_label(const OutputJob& job, const OutputScratch& s, std::int64_t word, std::int64_t token,
                       std::int64_t t, const float* probabilities) {
  if (job.labels[t] < 0 || job.drawn[t] >= 0) {
    return;
  }
  const std::int64_t count = least(tile_side, job.vocabulary - word);
  float through = s.through[t];
  std::int64_t found = word + count == job.vocabulary ? count - 1 : -1;
  for (std::int64_t i = 0; i < count; ++i) {
    through += probabilities[i * tile_side + (t - token)];
    if (through > job.uniforms[t]) {
      found = i;
      break;
    }
  }
  if (found >= 0) {
    job.drawn[t] = static_cast<std::int32_t>(word + found);
    s.at_label[t] = s.tile[found * tile_side + (t - token)];
  }
}

/// Step 2 on one tile: p, the drawn labels, then p − [label] into the panels of pᵀ.
inline void add_tile_errors(const OutputJob& job, const OutputScratch& s, std::int64_t word,
                            std::int64_t token, std::int64_t panel_row) {
  alignas(64) float p[tile_side * tile_side];
  for (std::int64_t at = 0; at < tile_side; at += lanes) {
    const Floats log_sum_exp = load(s.log_sum_exp + token + at, AllLanes{});
    Floats total{};
    for (std::int64_t i = 0; i < tile_side; ++i) {
      const Floats value = exponential(load(s.tile + i * tile_side + at, AllLanes{}) - log_sum_exp);
      store(value, p + i * tile_side + at, AllLanes{});
      total += value;
    }
    if (job.uniforms != nullptr) {
      const bool last = word + tile_side >= job.vocabulary;
      const Floats through = load(s.through + token + at, AllLanes{}) + total;
      for (std::int64_t i = 0; i < least(lanes, job.tokens - token - at); ++i) {
        const std::int64_t t = token + at + i;
        if (last || through[i] > job.uniforms[t]) {
          draw_label(job, s, word, token, t, p);
        }
      }
      store(through, s.through + token + at, AllLanes{});
    }
  }
  for (std::int64_t t = token; t < least(token + tile_side, job.tokens); ++t) {
    const std::int32_t label = job.uniforms == nullptr ? job.labels[t] : job.drawn[t];
    if (job.labels[t] >= 0 && label >= word && label < word + tile_side) {
      p[(label - word) * tile_side + (t - token)] -= 1.0f;
    }
  }
  for (std::int64_t i = 0; i < tile_side; i += 2) {
    for (std::int64_t at = 0; at < tile_side; at += lanes) {
      store_panel_pair(load(p + i * tile_side + at, AllLanes{}),
                       load(p + (i + 1) * tile_side + at, AllLanes{}),
                       s.error_panels + panel_index<BFloat16>(panel_row + i, token + at, word_block));
    }
  }
}

/// d_hidden += (p − [label]) head for one block of words.
inline void multiply_errors(const OutputJob& job, const OutputScratch& s, std::int64_t word,
                            std::int64_t words) {
  const std::int64_t count = padded(job.tokens), depth = padded(words), cols = padded(job.hidden_size);
  for (std::int64_t token = 0; token < count; token += lanes) {
    rows_from_panel(s.error_panels + token * word_block, depth, s.errors + token * word_block, word_block);
  }
  const auto* head = static_cast<const BFloat16*>(job.head) + word * job.head_stride;
  pack_panels(Source<BFloat16>{head, job.head_stride, words, job.hidden_size}, s.head_panels);
  multiply_tiles(ProductArguments<BFloat16>{s.errors, word_block, s.head_panels, depth * lanes, s.d_hidden,
                                            cols, count, cols, depth, true});
}

void output_gradient_job(const OutputJob& job) {
  const TileSession tiles;
  const OutputScratch s(job.tokens, job.hidden_size, true, job.scratch);
  const std::int64_t count = padded(job.tokens), cols = padded(job.hidden_size);
  output_statistics(job, s);
  clear(s.d_hidden, count * cols);
  clear(s.through, count);
  for (std::int64_t t = 0; t < count; ++t) {  // exp(logit − ∞) = 0: tokens without a label have no gradient
    const bool counted = t < job.tokens && job.labels[t] >= 0;
    s.log_sum_exp[t] = counted ? s.log_sum_exp[t] : -minus_infinity;
  }
  for (std::int64_t word = 0; word < job.vocabulary; word += word_block) {
    const std::int64_t words = least(word_block, job.vocabulary - word);
    for (std::int64_t at = 0; at < words; at += tile_side) {
      std::int64_t stride = 0;
      const BFloat16* rows = head_rows(job, s, word + at, stride);
      for (std::int64_t token = 0; token < count; token += tile_side) {
        logits_tile(job, s, rows, stride, word + at, token);
        add_tile_errors(job, s, word + at, token, at);
      }
    }
    multiply_errors(job, s, word, words);
  }
  for (std::int64_t t = 0; t < job.tokens; ++t) {
    job.losses[t] = job.labels[t] < 0 ? 0.0f : s.log_sum_exp[t] - s.at_label[t];
    convert_elements(s.d_hidden + t * cols, job.d_hidden + t * job.d_hidden_stride, job.hidden_size);
  }
}

#endif

}  // namespace
}  // namespace cce
