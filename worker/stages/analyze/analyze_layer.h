#pragma once
#include <vector>

#include "worker/model/layer_weights.h"
#include "worker/numeric/head_factorization.h"
#include "worker/stages/analyze/layer_analysis.h"
#include "worker/stages/analyze/loss_metric.h"
#include "worker/stages/calibrate/layer_statistics.h"

namespace cce {

/// Everything analyze computes for one layer on its owner. weights: dense, host views. `tokens`: what the
/// sums ran over. Errors: not_positive_definite, not_converged.
LayerAnalysis analyze_layer(Backend& backend, const LayerWeights& weights, const LayerStatistics& statistics,
                            double tokens, const JobSpec& spec);

/// The V/O directions of every KV group by what dropping them costs. G is the mean of the group's heads'
/// diagonal blocks of `metric.covariance`.
std::vector<HeadSpectrum> value_output_spectra(Backend& backend, const LayerShape& shape,
                                               const LossMetric& metric);

/// λ of every covariance that is factorised (docs/method.md 3.3).
inline constexpr double covariance_ridge = 1e-3;

}  // namespace cce
