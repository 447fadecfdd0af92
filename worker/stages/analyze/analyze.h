#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "worker/numeric/head_factorization.h"
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

/// Takes the V/O directions of an owned layer, one spectrum a KV group (docs/method.md 3.3); none without
/// attention. They are too large for every rank, and only the owner narrows values by them.
using TakeSpectra = std::function<void(std::int64_t layer, const std::vector<HeadSpectrum>& spectra)>;

/// Turns statistics into cost curves, spectra and similarities (docs/method.md 3.1 to 3.3).
/// In: this rank's layers' statistics, over data's gradient tokens. Out: every layer's analysis, on every
/// rank.
///   1. each owner: eliminations, V/O spectra, which go to take_spectra once a layer, pair orders, spectra of
///      the centred covariances
///   2. each owner: its rows of the sketch buffer; one all-reduce
///   3. all owners' analyses gathered
///   4. where the recipe names blocks or layers: what leaving them out costs, measured on data's windows
/// Collective. Errors: not_positive_definite, not_converged naming layer and sub-block; cancelled; those of
/// take_spectra.
ModelAnalysis analyze(StageContext& context, const std::vector<std::optional<LayerStatistics>>& statistics,
                      const CalibrationData& data, const TakeSpectra& take_spectra);

/// ModelAnalysis as JSON text and back, to the same bits. Errors: malformed_file.
std::string to_json(const ModelAnalysis& analysis);
ModelAnalysis parse_model_analysis(const std::string& json_text, const std::string& where);

}  // namespace cce
