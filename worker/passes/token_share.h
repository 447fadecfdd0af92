#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "common/job/partition.h"
#include "worker/comm/communicator.h"

namespace cce {

/// A rank's share of a list of windows, and the chunks that all ranks go through together: a rank with fewer
/// windows than another passes empty chunks.
struct TokenShare {
  SequenceRange mine;       ///< empty on a rank beyond the windows
  std::int64_t chunk = 1;   ///< windows that are in memory at once
  std::int64_t chunks = 0;  ///< the same on every rank

  /// The windows of one chunk.
  SequenceRange of_chunk(std::int64_t index) const;
};

/// Near-equal contiguous shares of `count` ≥ 1 windows (split_sequences), in chunks of at most
/// `largest_chunk` ≥ 1. Not collective.
TokenShare share_windows(std::int64_t count, std::int64_t largest_chunk, const Communicator& communicator);

/// The tokens of windows [first, first + count), one window after another.
std::vector<std::int32_t> tokens_of(std::span<const std::vector<std::int32_t>> windows,
                                    const SequenceRange& range);

}  // namespace cce
