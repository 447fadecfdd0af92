#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace cce {

/// Whole sequences [first, first + count) of the calibration set.
struct SequenceRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

struct StageForecast {
  std::string stage;
  double seconds = 0.0;
};

struct RankForecast {
  std::int64_t peak_bytes = 0;  ///< where the device computes: the host's memory, or the GPU's
  std::int64_t host_bytes = 0;  ///< of the host's beside the GPU's; 0 where the CPU computes
  std::vector<StageForecast> stages;
};

/// Who owns which layer and which sequences (docs/method.md 4): JOB/partition.json.
struct Partition {
  std::vector<std::int32_t> owner;       ///< rank of each layer
  std::vector<SequenceRange> sequences;  ///< of each rank; together all of them, in order
  std::int64_t micro_batch_sequences = 1;
  std::int64_t chunk_sequences = 8;  ///< sequences whose boundaries are kept at once in calibrate
  std::vector<RankForecast> forecast;
  std::int64_t ranks() const { return static_cast<std::int64_t>(sequences.size()); }
};

std::string to_json(const Partition& partition);
Partition parse_partition(const std::string& json_text, const std::string& where);

/// Contiguous near-equal ranges: the first `sequences % ranks` ranks get one more.
/// Errors: out_of_range when ranks > sequences, naming the largest useful number of ranks.
std::vector<SequenceRange> split_sequences(std::int64_t sequences, std::int64_t ranks);

}  // namespace cce
