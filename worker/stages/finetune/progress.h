#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/recipe/job_spec.h"

namespace cce {

/// The terms of docs/method.md 3.5 at one step, means over its tokens, unweighted. A term whose weight is 0
/// is not computed and 0.
struct LossTerms {
  double rec = 0.0;   ///< L_rec: mean over layers and tokens of ‖Δh‖² / ‖h‖²
  double sim = 0.0;   ///< L_sim: mean S² over pairs of a cluster
  double reg = 0.0;   ///< L_reg: Σ ‖W‖_* / ‖W‖_F
  double kl = 0.0;    ///< KL(teacher ‖ student), nats a token
  double task = 0.0;  ///< next-token loss, nats a token

  /// α rec + β sim + γ reg + kl + δ task
  double total(const FinetuneSettings& settings) const;
};

/// A line of the curve: what one step did.
struct FinetunePoint {
  std::int64_t step = 0;  ///< 1, 2, …
  LossTerms terms;
  double loss = 0.0;  ///< the weighted total
  double learning_rate = 0.0;
  double gradient_norm = 0.0;  ///< before clipping
  double tokens_per_second = 0.0;
  std::optional<double> validation_perplexity;  ///< after the step, where it was measured
};

/// Validations of a run whose settings name no interval.
inline constexpr std::int64_t usual_validations = 8;

/// Where a run of fine-tuning stands; with the weights and moments, all that a resumed run needs.
struct FinetuneProgress {
  std::int64_t step = 0;                         ///< steps done
  std::int64_t total_steps = 0;                  ///< of the schedule, as it was last decided
  std::int64_t validations = usual_validations;  ///< of the schedule, where no interval is set
  double seconds = 0.0;             ///< of the stage until this was taken down, over all attempts
  double validation_seconds = 0.0;  ///< of the latest validation
  std::optional<double> first_validation, best_validation;  ///< perplexities
  std::int64_t best_step = 0;
  std::int64_t worse_in_a_row = 0;  ///< validations since the best one
  std::vector<FinetunePoint> curve;
};

/// JSON and back, to the same bits. Errors: malformed_file, wrong_type, unknown_key with `where`.
std::string to_json(const FinetuneProgress& progress);
FinetuneProgress parse_finetune_progress(const std::string& json_text, const std::string& where);

/// What an event says of a step: loss, rec, sim, reg, kl, task, learning_rate, gradient_norm,
/// validation_perplexity. Values that are not finite are left out.
std::map<std::string, double> metrics_of(const FinetunePoint& point);

}  // namespace cce
