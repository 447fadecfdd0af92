#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "worker/stages/evaluate/model_evaluation.h"

namespace cce {

/// A failure signature of docs/method.md 3.6 with the limit that the recipe gives it.
struct Signature {
  double value = 0.0;
  double limit = 0.0;
  bool ok = true;
};

struct TextEvaluation {
  std::string name;
  TextLosses before;
  std::optional<TextLosses> after;
};

/// The same beginning, continued greedily by both models.
struct GreedySample {
  std::string prompt, before, after;
};

struct Evaluation {
  std::vector<TextEvaluation> texts;
  std::map<std::string, Signature>
      signatures;                     ///< perplexity_increase, attention_variance_ratio, position_drift
  std::vector<GreedySample> samples;  ///< rank 0 only
};

/// Perplexity of the dense model and, where there is one, of the compressed model on the recipe's held-out
/// texts; failure signatures; greedy samples (docs/method.md 3.6). Windows have calibration.length tokens and
/// are divided among the ranks. Collective. Errors: those of the texts; guard_violated where a signature
/// fails and guard.mode is stop; out_of_range where the dense model's loss is no number, verification_failed
/// where the compressed one's is not.
Evaluation evaluate(StageContext& context, const EvaluatedModel& dense, const EvaluatedModel* compressed);

}  // namespace cce
