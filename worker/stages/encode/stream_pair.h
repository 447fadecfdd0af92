#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "worker/model/block.h"
#include "worker/passes/stage_context.h"
#include "worker/stages/calibrate/calibration_data.h"

namespace cce {

/// A run of tokens that is worked on at once: whole sequences, all of them fitting or all of them held out.
struct MicroBatch {
  std::int64_t first_token = 0;  ///< row of the streams
  TokenBatch batch;
  bool held_out = false;
};

/// This rank's sequences as encode carries them: the dense and the compressed stream, f32, tokens × d.
/// Sequences held out of the Grams stand last, so that no micro-batch mixes the two kinds.
class StreamPair {
 public:
  /// Every eighth sequence of the whole calibration set is held out, whichever rank has it.
  StreamPair(StageContext& context, const CalibrationData& data);

  /// Both streams ← the embedded tokens, times `scale`.
  void embed(ConstMatrix embedding, float scale);
  Matrix dense(const MicroBatch& micro_batch) { return rows(dense_, micro_batch); }
  Matrix compressed(const MicroBatch& micro_batch) { return rows(compressed_, micro_batch); }
  std::span<const std::int32_t> ids(const MicroBatch& micro_batch) const {
    return std::span(ids_).subspan(static_cast<std::size_t>(micro_batch.first_token),
                                   static_cast<std::size_t>(micro_batch.batch.tokens()));
  }
  /// First row of one of this rank's sequences in the streams; nothing for another rank's.
  std::optional<std::int64_t> row_of(std::int64_t sequence) const;
  ConstMatrix dense_rows(std::int64_t first, std::int64_t count) const {
    return dense_.view().rows_from(first, count);
  }
  ConstMatrix compressed_rows(std::int64_t first, std::int64_t count) const {
    return compressed_.view().rows_from(first, count);
  }
  /// Sequences of all ranks that are not held out, ascending.
  const std::vector<std::int64_t>& fitting_sequences() const { return fitting_; }
  const std::vector<MicroBatch>& micro_batches() const { return micro_batches_; }
  std::int64_t tokens() const { return static_cast<std::int64_t>(ids_.size()); }
  std::int64_t largest_micro_batch_tokens() const;
  /// Whether any rank holds a sequence out.
  bool anything_held_out() const { return anything_held_out_; }

 private:
  static Matrix rows(OwnedMatrix& stream, const MicroBatch& micro_batch) {
    return stream.view().rows_from(micro_batch.first_token, micro_batch.batch.tokens());
  }

  Backend& backend_;
  std::vector<std::int32_t> ids_;
  std::map<std::int64_t, std::int64_t> rows_;  ///< by sequence
  std::vector<std::int64_t> fitting_;
  std::vector<MicroBatch> micro_batches_;
  bool anything_held_out_ = false;
  OwnedMatrix dense_, compressed_;
};

}  // namespace cce
