#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/job/partition.h"
#include "common/model/model_config.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// What a forecast knows about the checkpoint beyond its shapes.
struct CheckpointSize {
  std::int64_t tensor_bytes = 0;         ///< of all shards
  std::int64_t compute_value_bytes = 2;  ///< of a weight while it computes: 2 (bf16) or 4 (f32)
  std::int64_t teacher_bytes = 0;        ///< tensors of finetune.teacher where that is another checkpoint
  std::int64_t teacher_layer_parameters = 0;  ///< of its largest layer
};

struct MemoryTerm {
  std::string name;
  std::int64_t bytes = 0;
};

/// What one rank holds at the widest moment of one stage.
struct StageMemory {
  Stage stage = Stage::calibrate;
  std::vector<MemoryTerm> terms;
  std::int64_t bytes() const;
};

/// Peak memory of `rank` by stage (docs/method.md 4): resident, or of its GPU with resources.device cuda,
/// where the program, the mapped checkpoints and the starting layers take none, cuBLAS's workspace and 2²⁵
/// logits with their errors are counted instead, and kept sums are f32. The matrices that a stage holds are
/// those of stage_sizes.h, by which it allocates; here is when they are held together, and what beside them is
/// not a matrix of the stage's own. With d the hidden size, m the FFN width, n the width of the head outputs,
/// b the tokens of a micro-batch, w bytes of a computing weight, k bytes of a kept sum (8, or 4):
///   all stages  program and libraries; pages of the mapped checkpoint (every rank reads all layers);
///               embedding and untied head V d w; two packed layers; runner_bytes of a micro-batch, twice in
///               encode; a tile of logits
///   calibrate   CalibrateSizes; sums of the owned layers k Σ, with Σ = 2 m² + 2 n² + 2 d² + (G qk / 2)²
///   analyze     sums of the owned layers; work on one sub-block in f64: C, its inverse and C̄, W and W̃, S_g
///               and its root, 8 (3 max(m, n)² + 2 max(m, n) d + 2 d²); where parts may be dropped, their
///               streams
///   make_plan   sums and starting layers of the owned layers; the elimination of one, 8 (3 m² + 2 m d)
///   encode      EncodeSizes and two RefitSumSizes, r wide; the solution 8 (3 r² + 4 r d);
///               the compressed layer in work; starting layers of the owned layers, f32, with two d × d
///               metrics each; refined, 16 bytes for each kept parameter of one layer and RefineSizes
///   finetune    training_memory.h
///   evaluate    the stream of a chunk
///   export      a layer and the embedding in f32 while they are written
/// r: the widest sub-block that may be kept; max(m', n) with m' = (1 − fraction to remove) m where all layers
/// get one FFN width, max(m, n) where they may differ or the target is not a fraction.
/// Bytes. Pure: the partition's own forecast is not read.
std::vector<StageMemory> forecast_memory(const JobSpec& spec, const ModelConfig& config,
                                         const CheckpointSize& size, const Partition& partition,
                                         std::int64_t rank);

/// The largest stage of a rank.
std::int64_t peak_bytes(const std::vector<StageMemory>& stages);

/// Gradient sequences that fall into a rank's range when `gradient_sequences` are spread evenly over all:
/// those i with ⌊(i + 1) g / n⌋ > ⌊i g / n⌋.
std::int64_t gradient_sequences_in(const CalibrationSettings& calibration, const SequenceRange& range);

}  // namespace cce
