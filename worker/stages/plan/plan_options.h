#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "common/model/model_config.h"
#include "common/recipe/job_spec.h"
#include "worker/numeric/waterfill.h"
#include "worker/stages/analyze/analyze.h"

namespace cce {

/// How a target counts what an option removes: weights, FLOPs per token or bytes.
class Budget {
 public:
  Budget(const JobSpec& spec, const ModelConfig& base);

  /// What a layer of this shape amounts to.
  std::int64_t amount(const LayerShape& shape) const;
  /// What must go from `base`, the dense model plus the biases that a refit adds, so that the target is met
  /// against the dense model itself.
  std::int64_t to_remove(const ModelConfig& dense) const;

 private:
  std::int64_t amount_of(const ModelConfig& config) const;

  TargetKind kind_;
  double wanted_;
  std::int64_t length_;
  std::int64_t bytes_per_weight_;
  ModelConfig base_;
  ModelConfig without_layers_;
};

/// One way to shrink the attention of a layer; no groups: it is dropped.
struct AttentionOption {
  std::int64_t kv_groups = 0, vo_dim = 0, qk_dim = 0;
};

/// The choices of one sub-block; option i stands behind curve.points[i], option 0 keeps everything.
struct FfnChoices {
  std::vector<std::int64_t> widths;
  CostCurve curve;
};
struct AttentionChoices {
  std::vector<AttentionOption> options;
  CostCurve curve;
};

/// Curves hold only what the format can carry (docs/method.md 3.3), by ascending amount removed; of options
/// that remove the same, the cheapest. `shape`: the layer with the biases that a refit adds. drop_nats: the
/// cost of dropping the sub-block, then the last option (width 0, or no groups); none where it has to stay.
FfnChoices ffn_choices(const LayerShape& shape, const LayerAnalysis& analysis, double cost_factor,
                       const JobSpec& spec, const Budget& budget,
                       std::optional<double> drop_nats = std::nullopt);
AttentionChoices attention_choices(const LayerShape& shape, const LayerAnalysis& analysis, double cost_factor,
                                   const JobSpec& spec, const Budget& budget,
                                   std::optional<double> drop_nats = std::nullopt);

/// Nats of an attention option: those of its missing groups, plus, for the share of groups that stay, those
/// of its narrower values and its missing pairs.
double attention_cost(const LayerShape& shape, const LayerAnalysis& analysis, const AttentionOption& option);

}  // namespace cce
