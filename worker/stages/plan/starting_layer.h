#pragma once
#include <vector>

#include "common/model/compression_plan.h"
#include "common/recipe/job_spec.h"
#include "worker/model/host_layer.h"
#include "worker/numeric/head_factorization.h"
#include "worker/stages/calibrate/layer_statistics.h"

namespace cce {

/// A layer as make_plan leaves it to encode, on its owner.
struct StartingLayer {
  HostLayer layer;
  HostMatrix attention_gradient, ffn_gradient;  ///< S_g after each sub-block, d × d; empty where not measured
};

/// A layer as encode first meets it, on its owner: what the plan keeps, its outputs already carrying what the
/// removed features did, as far as the dense statistics tell (docs/method.md 3.3).
///   1. selection: neurons, groups, rotary pairs
///   2. down ← W_0 of the eliminated neurons
///   3. o ← W_0 of the eliminated groups; then per group W_V' = W_V Q̄, W_O,h' = R̄ U_rᵀ Lᵀ W_O,h
/// weights: dense, host views; tokens: what the sums ran over; value_spectra: of each KV group of the dense
/// layer, as analyze found them, read where values are narrowed. Biases that a refit adds are zero. `target`
/// none or random keeps the selected outputs as they are. Errors: not_positive_definite.
HostLayer make_starting_layer(Backend& backend, const LayerWeights& weights, const LayerPlan& plan,
                              const LayerShape& compressed_shape, const LayerStatistics& statistics,
                              double tokens, const std::vector<HeadSpectrum>& value_spectra,
                              const JobSpec& spec);

/// Whether the plan keeps attention with fewer value dimensions than the dense layer.
bool narrows_values(const LayerShape& dense, const LayerPlan& plan);

}  // namespace cce
