#pragma once
#include <cstdint>
#include <vector>

#include "worker/passes/stage_context.h"

namespace cce {

using Windows = std::vector<std::vector<std::int32_t>>;

/// The calibration windows of all ranks and which of them run backward; the same on every rank.
struct CalibrationData {
  std::int64_t length = 0;
  std::vector<std::vector<std::int32_t>> windows;  ///< calibration.sequences of them, in the recipe's order
  std::vector<std::int64_t> gradient_sequences;    ///< indices into `windows`, ascending, spread evenly

  /// The gradient sequences inside a rank's range.
  std::vector<std::int64_t> gradient_sequences_of(const SequenceRange& range) const;
  double gradient_tokens() const {
    return static_cast<double>(gradient_sequences.size()) * static_cast<double>(length);
  }
};

/// Rank 0 reads and tokenises the texts; every rank receives the windows. Where the texts hold more windows
/// than calibration.sequences, those used are spread evenly over them. Collective. Errors: those of
/// JobTexts::windows; text_too_short where all texts together have too few windows.
CalibrationData load_calibration_data(StageContext& context);

/// The windows of one text, of calibration.length, read by rank 0, on every rank. Collective. Errors: those of
/// JobTexts::windows.
Windows share_text_windows(StageContext& context, const TextSource& source);

/// `count` of the indices [0, total), spread evenly: those i where ⌊(i+1) count/total⌋ > ⌊i count/total⌋.
std::vector<std::int64_t> spread_evenly(std::int64_t total, std::int64_t count);

}  // namespace cce
