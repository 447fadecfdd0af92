#pragma once
#include <functional>
#include <vector>

#include "worker/model/layer_weights.h"
#include "worker/numeric/head_factorization.h"
#include "worker/passes/sub_block.h"
#include "worker/stages/analyze/layer_analysis.h"
#include "worker/stages/calibrate/layer_statistics.h"

namespace cce {

/// Takes what a sub-block's similarity to others is measured by: W (n × d) and C̄ (n × n), f64.
using TakeMap = std::function<void(SubBlock kind, ConstMatrix output_weights, ConstMatrix centred)>;

struct AnalyzedLayer {
  LayerAnalysis costs;
  std::vector<HeadSpectrum> value_spectra;  ///< one a KV group; none without attention
};

/// Everything analyze computes for one layer on its owner, for one sub-block after the other:
///   1. eliminations, V/O spectra, pair orders   2. spectra of the centred covariance   3. its map
/// weights: dense, host views. `tokens`: what the sums ran over.
/// Errors: not_positive_definite, not_converged.
AnalyzedLayer analyze_layer(Backend& backend, const LayerWeights& weights, const LayerStatistics& statistics,
                            double tokens, const JobSpec& spec, const TakeMap& take_map);

/// λ of every covariance that is factorised (docs/method.md 3.3).
inline constexpr double covariance_ridge = 1e-3;

}  // namespace cce
