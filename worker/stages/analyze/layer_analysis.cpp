#include "worker/stages/analyze/layer_analysis.h"

#include <nlohmann/json.hpp>

#include "common/base/error.h"

namespace cce {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(EliminationCurve, units, order, cost)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SubBlockSpectra, eigenvalues, singular)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LayerAnalysis, ffn, vo_cost, rope_pairs, kv_groups, ffn_spectra,
                                   attention_spectra)

std::string to_json(const LayerAnalysis& analysis) {
  return nlohmann::json(analysis).dump();
}

LayerAnalysis parse_layer_analysis(const std::string& json_text, const std::string& where) {
  try {
    return nlohmann::json::parse(json_text).get<LayerAnalysis>();
  } catch (const nlohmann::json::exception& failure) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = where,
                .found = failure.what(),
                .expected = "a layer's analysis as this version writes it",
                .remedy = "Delete the job's state folder and run it again"};
  }
}

}  // namespace cce
