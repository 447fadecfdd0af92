#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "worker/passes/stage_context.h"
#include "worker/stages/finetune/progress.h"

namespace cce {

/// A term that went off, or "gradient_norm".
struct Divergence {
  std::string term;
  std::int64_t step = 0;
  double value = 0.0;
  std::int64_t best_step = 0;  ///< of the steps before; 0: there were none
  double best = 0.0;           ///< its lowest value there
};

/// What is wrong with `point`, the step after those of `curve`; nothing where it is well:
///   1. the first term that is not finite, or else the gradient's norm
///   2. where the loss without L_reg (whose sum over hundreds of matrices would hide what the others do) is
///      past 4 times the first step's plus 1: the term with the largest ratio to its lowest value, of those
///      that make up at least a tenth of the rise above their lowest values
std::optional<Divergence> find_divergence(const FinetuneSettings& settings,
                                          const std::vector<FinetunePoint>& curve,
                                          const FinetunePoint& point);

/// What the state still holds of a run that diverged.
struct KeptState {
  std::optional<std::int64_t> checkpoint_step;
  std::optional<std::int64_t> best_step;  ///< of the weights of the best validation
};

/// The error for a user: out_of_range for finetune.learning_rate, with term, step and values, what the job's
/// state keeps, and commands that lead on; not_converged where the first step already was not finite, which
/// no learning rate changes.
Error divergence_error(const StageContext& context, const Divergence& divergence, const KeptState& kept);

}  // namespace cce
