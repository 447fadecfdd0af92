#pragma once
#include <optional>
#include <string>
#include <vector>

#include "worker/passes/stage_context.h"
#include "worker/stages/analyze/drop_costs.h"
#include "worker/stages/analyze/layer_analysis.h"
#include "worker/stages/calibrate/layer_statistics.h"

namespace cce {

/// Similarity of the layers' maps within one kind of sub-block (docs/method.md 3.1).
struct KindSimilarity {
  std::vector<double> matrix;                       ///< L × L, row-major
  std::vector<std::vector<std::int32_t>> clusters;  ///< every layer in exactly one
  std::vector<double> cost_factor;                  ///< 1 − κ max S(j, k) over the layer's cluster
};

/// The whole model's analysis, the same on every rank.
struct ModelAnalysis {
  std::vector<LayerAnalysis> layers;
  KindSimilarity ffn, attention;
  DropCosts drop_costs;  ///< of what the recipe's structures name: blocks, layers
};

/// Turns statistics into cost curves, spectra and similarities (docs/method.md 3.1 to 3.3).
/// In: this rank's layers' statistics, over data's gradient tokens. Out: every layer's analysis, on every
/// rank.
///   1. each owner: eliminations, V/O spectra, pair orders, spectra of the centred covariances
///   2. each owner: its rows of the sketch buffer; one all-reduce
///   3. all owners' analyses gathered
///   4. where the recipe names blocks or layers: what leaving them out costs, measured on data's windows
/// Collective. Errors: not_positive_definite, not_converged naming layer and sub-block; cancelled.
ModelAnalysis analyze(StageContext& context, const std::vector<std::optional<LayerStatistics>>& statistics,
                      const CalibrationData& data);

/// ModelAnalysis as JSON text and back, to the same bits. Errors: malformed_file.
std::string to_json(const ModelAnalysis& analysis);
ModelAnalysis parse_model_analysis(const std::string& json_text, const std::string& where);

}  // namespace cce
