#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "worker/model/block_gradients.h"
#include "worker/stages/finetune/gradients.h"
#include "worker/stages/finetune/weights.h"

namespace cce {

/// L_reg = Σ over the layers' matrices of ‖W‖_* / ‖W‖_F (docs/method.md 3.5), at the owners: the polar
/// factors, one f32 number a parameter, are computed anew every `refresh_steps` steps and used in between.
/// One thread.
class NuclearTerm {
 public:
  static constexpr std::int64_t refresh_steps = 20;

  /// Both must outlive it.
  NuclearTerm(StageContext& context, const ModelConfig& student);

  /// Adds gamma times the term's gradient to the reduced gradients of this rank's layers. Returns L_reg.
  /// step = 0, 1, …: steps done before. Collective. Errors: those of polar_factor.
  double add(std::int64_t step, const StudentWeights& student, StudentGradients& gradients);

  /// The factors in use, into a folder and back to the same bits, synced. Errors: those of FileSystem,
  /// malformed_file.
  void save(const std::filesystem::path& folder);
  void load(const std::filesystem::path& folder);

 private:
  void refresh(LayerNumbers& factors, const LayerWeights& weights);

  StageContext& context_;
  std::int64_t hidden_;
  std::vector<std::optional<LayerNumbers>> factors_;  ///< of owned layers
};

}  // namespace cce
