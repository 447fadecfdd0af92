#pragma once
#include <functional>
#include <vector>

#include "worker/model/layer_weights.h"
#include "worker/numeric/head_factorization.h"
#include "worker/passes/sub_block.h"
#include "worker/stages/analyze/layer_analysis.h"
#include "worker/stages/analyze/loss_metric.h"
#include "worker/stages/calibrate/layer_statistics.h"

namespace cce {

/// Takes what a sub-block's similarity to others is measured by: W (n × d) and C̄ (n × n), f64.
using TakeMap = std::function<void(SubBlock kind, ConstMatrix output_weights, ConstMatrix centred)>;

/// Everything analyze computes for one layer on its owner, for one sub-block after the other:
///   1. eliminations, V/O spectra, pair orders   2. spectra of the centred covariance   3. its map
/// weights: dense, host views. `tokens`: what the sums ran over.
/// Errors: not_positive_definite, not_converged.
LayerAnalysis analyze_layer(Backend& backend, const LayerWeights& weights, const LayerStatistics& statistics,
                            double tokens, const JobSpec& spec, const TakeMap& take_map);

/// The V/O directions of every KV group by what dropping them costs. G is the mean of the group's heads'
/// diagonal blocks of `metric.covariance`.
std::vector<HeadSpectrum> value_output_spectra(Backend& backend, const LayerShape& shape,
                                               const LossMetric& metric);

/// λ of every covariance that is factorised (docs/method.md 3.3).
inline constexpr double covariance_ridge = 1e-3;

}  // namespace cce
