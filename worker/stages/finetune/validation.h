#pragma once
#include <vector>

#include "worker/stages/finetune/parameters.h"

namespace cce {

/// The student's perplexity on finetune.validation while it is trained. One thread; all calls collective.
class Validation {
 public:
  /// Reads the texts. Both others must outlive it. Errors: those of read_text_windows.
  Validation(StageContext& context, const ModelConfig& student, TrainedParameters& parameters);

  bool possible() const { return !windows_.empty(); }
  /// Over all validation texts together. Errors: those of evaluate_losses.
  double perplexity();

 private:
  StageContext& context_;
  const ModelConfig& student_;
  TrainedParameters& parameters_;
  std::vector<std::vector<std::int32_t>> windows_;
};

}  // namespace cce
