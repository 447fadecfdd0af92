#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/model/model_config.h"

namespace cce {

/// What one layer keeps, with the cost predicted when it was chosen and the one measured after encode.
struct LayerPlan {
  bool keep_attention = true;
  bool keep_ffn = true;
  std::vector<std::int32_t> ffn_neurons;              ///< kept neurons, ascending
  std::vector<std::int32_t> kv_groups;                ///< kept groups, ascending
  std::int64_t vo_dim = 0;                            ///< kept value/output width of every group
  std::vector<std::vector<std::int32_t>> rope_pairs;  ///< kept pairs of each kept group, ascending
  double predicted_ffn_nats = 0.0, predicted_attention_nats = 0.0;
  double measured_ffn_nats = 0.0, measured_attention_nats = 0.0;
};

struct CompressionPlan {
  std::vector<LayerPlan> layers;
  double price = 0.0;  ///< nats per removed parameter at the water level
};

/// plan.json (schema_version 1) and back. Errors: malformed_file, wrong_type, out_of_range with key paths.
std::string to_json(const CompressionPlan& plan);
CompressionPlan parse_compression_plan(const std::string& json_text, const std::string& where);

/// The plan that keeps everything of a dense model.
CompressionPlan keep_all(const ModelConfig& dense);

/// What a plan leaves of one layer's shape. `where` names the layer in errors. A layer whose pairs all stay
/// has no rope_pairs; those that `dense` has already are composed with the plan's.
/// Errors: shape_mismatch for parts or indices that the layer does not have, indices out of order, groups that
/// keep different numbers of pairs, and pairs taken from heads that are normed.
LayerShape shape_after(const LayerShape& dense, const LayerPlan& plan, const std::string& where);

/// The shapes that remain when `plan` is applied to `dense`. Errors: shape_mismatch (layer counts, indices).
ModelConfig apply_plan(const ModelConfig& dense, const CompressionPlan& plan);

}  // namespace cce
