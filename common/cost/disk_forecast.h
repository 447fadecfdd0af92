#pragma once
#include <cstdint>

#include "common/cost/memory_forecast.h"

namespace cce {

/// What a job writes into its directory, in bytes, at the moments that may be its widest. With L layers, d
/// the hidden size, p what the target leaves of the blocks' parameters (all of them where the target is not
/// remove_params), p_d the whole:
///   statistics with calibration.keep_statistics calibration's sums (sizes.h), in 8 bytes a number,
///              4 where a GPU computes; they stay
///   analyzed   analyze's V/O directions in 8 bytes a number (sizes.h), and of each neuron its place and its
///              cost as text, 32 bytes; they stay
///   prepared   make_plan's starting layers in f32 and two d × d metrics of gradients each, L (8 d²) + 4 p;
///              they stay, for a resume
///   encoded    encode's layers in f32, 4 p; they stay too
///   training   two checkpoints of masters and both moments, and with gamma > 0 polar factors, 4 (3 or 4) p
///              each, while one takes the other's place; with validation texts the best weights, 4 p
///   trained    fine-tuning's layers in f32, 4 p; checkpoints are gone by the time the result is written
///   result     the exported tensors, p and the model's others in export.dtype, and what lies beside them
///              (tokenizer, report, norms, headers), 16 MiB
///   delivered  its copy at the output, where the job has one: the same again (less where the file system
///              shares blocks; an earlier result there goes only once the new one is whole)
/// Stages that do not run leave nothing.
struct DiskForecast {
  std::int64_t statistics = 0, analyzed = 0, prepared = 0, encoded = 0, training = 0, trained = 0, result = 0,
               delivered = 0;
  /// Where fine-tuning ends, its layers are published beside the last checkpoint and the best weights: less
  /// than two checkpoints. So the widest moment is in training or at the end.
  std::int64_t widest() const;
};

/// Pure.
DiskForecast forecast_disk(const JobSpec& spec, const ModelConfig& config);

}  // namespace cce
