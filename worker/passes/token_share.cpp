#include "worker/passes/token_share.h"

#include <algorithm>

namespace cce {

SequenceRange TokenShare::of_chunk(std::int64_t index) const {
  const std::int64_t passed = std::min(index * chunk, mine.count);
  return {mine.first + passed, std::min(chunk, mine.count - passed)};
}

TokenShare share_windows(std::int64_t count, std::int64_t largest_chunk, const Communicator& communicator) {
  const std::int64_t ranks = std::min<std::int64_t>(communicator.size(), count);
  const std::vector<SequenceRange> ranges = split_sequences(count, ranks);
  TokenShare share;
  share.mine = communicator.rank() < ranks ? ranges[static_cast<std::size_t>(communicator.rank())]
                                           : SequenceRange{count, 0};
  const std::int64_t most = ranges.front().count;  // the first range is the longest
  share.chunk = std::min(largest_chunk, most);
  share.chunks = (most + share.chunk - 1) / share.chunk;
  return share;
}

std::vector<std::int32_t> tokens_of(std::span<const std::vector<std::int32_t>> windows,
                                    const SequenceRange& range) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = range.first; i < range.first + range.count; ++i) {
    const std::vector<std::int32_t>& window = windows[static_cast<std::size_t>(i)];
    ids.insert(ids.end(), window.begin(), window.end());
  }
  return ids;
}

}  // namespace cce
