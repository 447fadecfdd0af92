#include <nlohmann/json.hpp>

#include "worker/stages/analyze/analyze.h"

namespace cce {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(KindSimilarity, matrix, clusters, cost_factor)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DropCosts, attention, ffn, layers)

std::string to_json(const ModelAnalysis& analysis) {
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerAnalysis& layer : analysis.layers) {
    layers.push_back(nlohmann::json::parse(to_json(layer)));
  }
  return nlohmann::json{{"layers", layers},
                        {"ffn", analysis.ffn},
                        {"attention", analysis.attention},
                        {"drop_costs", analysis.drop_costs}}
      .dump();
}

ModelAnalysis parse_model_analysis(const std::string& json_text, const std::string& where) {
  try {
    const nlohmann::json json = nlohmann::json::parse(json_text);
    ModelAnalysis result;
    for (const nlohmann::json& layer : json.at("layers")) {
      result.layers.push_back(parse_layer_analysis(layer.dump(), where));
    }
    result.ffn = json.at("ffn").get<KindSimilarity>();
    result.attention = json.at("attention").get<KindSimilarity>();
    result.drop_costs = json.at("drop_costs").get<DropCosts>();
    return result;
  } catch (const nlohmann::json::exception& failure) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = where,
                .found = failure.what(),
                .expected = "an analysis as this version writes it",
                .remedy = "Delete the job's state folder and run it again"};
  }
}

}  // namespace cce
