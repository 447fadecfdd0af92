#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "worker/numeric/elimination_curve.h"

namespace cce {

/// What one layer would lose at every width it can take: all that make_plan needs to know of it. Costs are
/// nats per token (docs/method.md 3.3).
struct LayerAnalysis {
  EliminationCurve ffn;                      ///< neurons; empty without an FFN
  std::vector<double> vo_cost;               ///< [r]: nats when every group keeps r value dimensions
  std::vector<EliminationCurve> rope_pairs;  ///< one curve per KV group
  EliminationCurve kv_groups;
  std::vector<double> ffn_spectrum;  ///< eigenvalues of the centred covariance, descending, ≤ 256
  std::vector<double> attention_spectrum;
  std::int64_t ffn_components = 0;  ///< not redundant by the paper's rule (threshold mode)
  std::int64_t attention_components = 0;
};

/// One layer as JSON text, doubles written so that they read back to the same bits.
std::string to_json(const LayerAnalysis& analysis);
LayerAnalysis parse_layer_analysis(const std::string& json_text, const std::string& where);

}  // namespace cce
