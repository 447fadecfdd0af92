#pragma once
#include <functional>
#include <string>

#include "worker/model/host_layer.h"
#include "worker/passes/stage_context.h"
#include "worker/stages/finetune/progress.h"

namespace cce {

/// Of a clock that never goes back.
double steady_seconds();

/// What fine-tuning starts from.
struct FinetuneInput {
  const ModelConfig& student;
  std::function<HostLayer(std::int64_t)> layer;  ///< f32; called for owned layers only
  HostMatrix final_norm;                         ///< 1 × d
  const Checkpoint& teacher;
  std::string fingerprint;                           ///< of everything that decides the result
  std::function<double()> seconds = steady_seconds;  ///< since some moment; rank 0 alone asks
};

/// Joint fine-tuning of the student against the teacher (docs/method.md 3.5), all ranks together, until the
/// token or time budget of the recipe is spent, or a validation text says stop. In: the student's layers.
/// Out: every trained layer in state/finetune.layer-NNN and the final norm's gain in
/// state/finetune.final-norm, f32; returned is the run's progress with its curve. A step:
///   1. the next batch of the seed's order
///   2. forward, output, backward (pass.h); terms of the weights
///   3. the gradient's global norm, clipped
///   4. AdamW at the owners
/// Every checkpoint_steps steps and at a cancel the run's whole state goes to state/, from where a later
/// attempt goes on with the same bits. With a validation text the weights of the best validation are the
/// result.
/// max_seconds counts everything from the stage's start, set-up, validations and checkpoints too, of all
/// attempts (what a killed one did after its last checkpoint is not known and not counted). It is turned into
/// a number of steps (schedule.h), which the learning rate needs, but the time is checked before each step
/// but the first: a run is over its budget by a step and a validation at most, and may end before the
/// learning rate is at 0. How many steps fit depends on the machine; which text they see does not. Its
/// checkpoints hold what was decided and spent, and a resumed run goes on with both. Collective. Errors:
/// those of find_divergence and divergence_error; cancelled, worker_died, disk_full, does_not_fit; those of
/// the texts.
FinetuneProgress finetune(StageContext& context, const FinetuneInput& input);

}  // namespace cce
