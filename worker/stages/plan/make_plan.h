#pragma once
#include "common/model/compression_plan.h"
#include "common/recipe/job_spec.h"
#include "worker/stages/analyze/analyze.h"

namespace cce {

/// The dense model's shapes with the biases that a refit adds: on the output of both sub-blocks where the format
/// has room for them, none elsewhere.
ModelConfig with_refit_biases(ModelConfig config, ExportFormat format);

/// Chooses what every layer keeps (docs/method.md 3.2 and 3.3). Pure: the same analysis gives the same plan
/// on every rank.
///   target mode     curves of what the format can carry, water-filled at one price; for shared widths the
///                   best of all pairs (FFN width, KV groups). Blocks asked for: dropping one is its curve's
///                   last point, at the cost measured. Layers asked for: the same on the layers left over
///                   when the 0, 1, 2, … that cost least are dropped; the cheapest of these plans. Something
///                   of the layer that costs most to drop always stays.
///   threshold mode  the widths that the paper's rule leaves, rounded up to what the format can carry
/// Errors: unreachable_target, naming the largest reachable amount.
CompressionPlan make_plan(const JobSpec& spec, const ModelConfig& dense, const ModelAnalysis& analysis);

}  // namespace cce
