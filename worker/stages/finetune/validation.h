#pragma once
#include <vector>

#include "worker/stages/finetune/weights.h"

namespace cce {

/// The student's perplexity on finetune.validation while it is trained. One thread; all calls collective.
class Validation {
 public:
  /// Reads the texts. Both must outlive it. Errors: those of JobTexts::windows.
  Validation(StageContext& context, StudentWeights& weights);

  bool possible() const { return !windows_.empty(); }
  /// Over all validation texts together. Errors: those of evaluate_losses.
  double perplexity();

 private:
  StageContext& context_;
  StudentWeights& weights_;
  std::vector<std::vector<std::int32_t>> windows_;
};

}  // namespace cce
