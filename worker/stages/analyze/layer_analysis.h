#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "worker/numeric/elimination_curve.h"

namespace cce {

/// How many eigenvalues are kept where no threshold needs all of them, and how many a report shows.
inline constexpr std::size_t reported_eigenvalues = 256;

/// What the paper's rule decides by (docs/method.md 3.2), both descending. Where the target is no threshold,
/// `singular` is empty and `eigenvalues` are the leading ones.
struct SubBlockSpectra {
  std::vector<double> eigenvalues;  ///< of the centred covariance
  std::vector<double> singular;     ///< of the loss-weighted outputs
};

/// What one layer would lose at every width it can take: all that make_plan needs to know of it. Costs are
/// nats per token (docs/method.md 3.3).
struct LayerAnalysis {
  EliminationCurve ffn;                      ///< neurons; empty without an FFN
  std::vector<double> vo_cost;               ///< [r]: nats when every group keeps r value dimensions
  std::vector<EliminationCurve> rope_pairs;  ///< one curve per KV group
  EliminationCurve kv_groups;
  SubBlockSpectra ffn_spectra, attention_spectra;
};

/// One layer as JSON text, doubles written so that they read back to the same bits.
std::string to_json(const LayerAnalysis& analysis);
LayerAnalysis parse_layer_analysis(const std::string& json_text, const std::string& where);

}  // namespace cce
