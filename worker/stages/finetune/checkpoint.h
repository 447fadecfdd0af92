#pragma once
#include <optional>
#include <string>

#include "worker/stages/finetune/nuclear.h"
#include "worker/stages/finetune/optimiser.h"
#include "worker/stages/finetune/progress.h"
#include "worker/stages/finetune/weights.h"

namespace cce {

/// A run's checkpoints in the job's state/:
///   finetune.step-N.rank-R   masters and moments of rank R after step N
///   finetune.latest          progress.json, published last: names the step whose rank states count
///   finetune.best.rank-R     weights at the best validation
///   finetune.layer-N, finetune.final-norm, finetune.done   the result, `done` published last
/// A run killed anywhere finds the latest whole checkpoint. All calls are collective. Errors: disk_full,
/// io_failure, malformed_file.
class FinetuneCheckpoints {
 public:
  /// fingerprint: of everything that decides the result.
  FinetuneCheckpoints(StageContext& context, std::string fingerprint);

  /// What a checkpoint holds; `nuclear` may be null.
  struct State {
    StudentWeights& weights;
    Optimiser& optimiser;
    NuclearTerm* nuclear = nullptr;
  };

  /// Keeps the checkpoint of the step before until this one is whole.
  void save(const FinetuneProgress& progress, const State& state);
  /// The latest checkpoint, into state; nothing where no rank or not every rank has it.
  std::optional<FinetuneProgress> load(const State& state);
  /// The step of the latest checkpoint. Not collective.
  std::optional<std::int64_t> latest_step() const;

  void save_best(const StudentWeights& weights);
  void load_best(StudentWeights& weights);

  /// The trained weights as the stages after this one read them; checkpoints are then removed.
  void publish(const FinetuneProgress& progress, const StudentWeights& weights);
  /// The progress of a run that was finished before.
  std::optional<FinetuneProgress> finished() const;

 private:
  std::string step_state(std::int64_t step) const;
  std::string best_state() const;
  void write_progress(const std::string& name, const FinetuneProgress& progress);
  std::optional<FinetuneProgress> read_progress(const std::string& name) const;
  void remove_others(const std::string& kept);

  StageContext& context_;
  std::string fingerprint_;
};

/// A digest of what decides the trained weights: model, recipe, teacher, partition, and the fingerprint of
/// the encoded layers where training starts from them ("" where it starts from the job's own model).
std::string finetune_fingerprint(const StageContext& context, const std::string& encoded);

}  // namespace cce
