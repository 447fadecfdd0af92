#include "worker/stages/encode/stream_pair.h"

#include <algorithm>

#include "worker/passes/allocate.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr std::int64_t held_out_every = 8;

bool is_held_out(std::int64_t sequence) {
  return sequence % held_out_every == held_out_every - 1;
}

}  // namespace

StreamPair::StreamPair(StageContext& context, const CalibrationData& data)
    : backend_(context.backend),
      anything_held_out_(static_cast<std::int64_t>(data.windows.size()) >= held_out_every) {
  const SequenceRange& range = context.sequences();
  std::int64_t token = 0;
  for (const bool held_out : {false, true}) {
    std::int64_t sequences = 0;
    for (std::int64_t sequence = range.first; sequence < range.first + range.count; ++sequence) {
      if (is_held_out(sequence) == held_out) {
        const auto& window = data.windows[static_cast<std::size_t>(sequence)];
        rows_[sequence] = static_cast<std::int64_t>(ids_.size());
        ids_.insert(ids_.end(), window.begin(), window.end());
        ++sequences;
      }
    }
    const std::int64_t step = context.partition.micro_batch_sequences;
    for (std::int64_t first = 0; first < sequences; first += step) {
      const TokenBatch batch{std::min(step, sequences - first), data.length};
      micro_batches_.push_back({token, batch, held_out});
      token += batch.tokens();
    }
  }
  for (std::int64_t sequence = 0; sequence < static_cast<std::int64_t>(data.windows.size()); ++sequence) {
    if (!is_held_out(sequence)) {
      fitting_.push_back(sequence);
    }
  }
  const cost::MatrixSize stream = cost::stream_size(tokens(), context.dense().hidden_size);
  dense_ = allocate(backend_, context.compute_dtype, stream);
  compressed_ = allocate(backend_, context.compute_dtype, stream);
}

std::optional<std::int64_t> StreamPair::row_of(std::int64_t sequence) const {
  const auto found = rows_.find(sequence);
  return found == rows_.end() ? std::nullopt : std::optional(found->second);
}

void StreamPair::embed(ConstMatrix embedding, float scale) {
  ops::embed(backend_, ids_, embedding, scale, dense_.view());
  ops::convert(backend_, dense_.view(), compressed_.view());
}

std::int64_t StreamPair::largest_micro_batch_tokens() const {
  std::int64_t largest = 0;
  for (const MicroBatch& micro_batch : micro_batches_) {
    largest = std::max(largest, micro_batch.batch.tokens());
  }
  return largest;
}

}  // namespace cce
