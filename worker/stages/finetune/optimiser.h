#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "worker/model/block_gradients.h"
#include "worker/stages/finetune/gradients.h"
#include "worker/stages/finetune/weights.h"
#include "worker/tensor/ops/training/training_ops.h"

namespace cce {

/// AdamW's state of everything that is trained: both moments of a layer at its owner, 8 bytes a parameter,
/// those of the final norm on every rank. One thread; nothing here is collective.
class Optimiser {
 public:
  /// Moments 0. Both must outlive it. Errors: does_not_fit.
  Optimiser(StageContext& context, const ModelConfig& student);

  /// Owners step their layers, every rank the final norm; weights decay where they are matrices. gradients:
  /// reduced.
  void step(const AdamWStep& settings, const StudentGradients& gradients, StudentWeights& weights);

  /// This rank's moments into a folder, synced, and back to the same bits. Errors: disk_full, io_failure;
  /// missing_file, malformed_file.
  void save(const std::filesystem::path& folder) const;
  void load(const std::filesystem::path& folder);

 private:
  StageContext& context_;
  std::vector<std::optional<LayerMoments>> layers_;  ///< of owned layers
  OwnedMatrix final_norm_m_, final_norm_v_;          ///< 1 × d, f32
};

}  // namespace cce
