#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/model/compression_plan.h"

namespace cce {

std::string to_json(const CompressionPlan& plan) {
  OrderedJson layers = OrderedJson::array();
  for (const LayerPlan& layer : plan.layers) {
    layers.push_back({{"keep_attention", layer.keep_attention},
                      {"keep_ffn", layer.keep_ffn},
                      {"ffn_neurons", layer.ffn_neurons},
                      {"kv_groups", layer.kv_groups},
                      {"vo_dim", layer.vo_dim},
                      {"rope_pairs", layer.rope_pairs},
                      {"predicted_nats",
                       {{"ffn", layer.predicted_ffn_nats}, {"attention", layer.predicted_attention_nats}}},
                      {"measured_nats",
                       {{"ffn", layer.measured_ffn_nats}, {"attention", layer.measured_attention_nats}}}});
  }
  return pretty_json({{"schema_version", 1}, {"price", plan.price}, {"layers", layers}});
}

namespace {

/// Ascending indices, each once.
std::vector<std::int32_t> parse_indices(const JsonReader& list) {
  std::vector<std::int32_t> indices;
  for (const JsonReader& item : list.items()) {
    const std::int64_t lowest = indices.empty() ? 0 : indices.back() + 1;
    indices.push_back(static_cast<std::int32_t>(item.integer({.lowest = lowest, .highest = 1 << 24})));
  }
  return indices;
}

void parse_nats(JsonReader reader, double& ffn, double& attention) {
  ffn = reader.required("ffn").number();
  attention = reader.required("attention").number();
  reader.refuse_unknown_keys();
}

LayerPlan parse_layer_plan(JsonReader reader) {
  LayerPlan layer;
  layer.keep_attention = reader.required("keep_attention").boolean();
  layer.keep_ffn = reader.required("keep_ffn").boolean();
  layer.ffn_neurons = parse_indices(reader.required("ffn_neurons"));
  layer.kv_groups = parse_indices(reader.required("kv_groups"));
  layer.vo_dim = reader.required("vo_dim").integer({.lowest = 0, .highest = 1 << 24});
  for (const JsonReader& group : reader.required("rope_pairs").items()) {
    layer.rope_pairs.push_back(parse_indices(group));
  }
  parse_nats(reader.required("predicted_nats"), layer.predicted_ffn_nats, layer.predicted_attention_nats);
  parse_nats(reader.required("measured_nats"), layer.measured_ffn_nats, layer.measured_attention_nats);
  reader.refuse_unknown_keys();
  return layer;
}

}  // namespace

CompressionPlan parse_compression_plan(const std::string& json_text, const std::string& where) {
  const Json document = parse_json(json_text, where);
  JsonReader reader(document, where);
  CompressionPlan plan;
  const JsonReader version = reader.required("schema_version");
  if (version.integer() != 1) {
    version.refuse(ErrorCode::unsupported, "1");
  }
  plan.price = reader.required("price").number();
  for (const JsonReader& layer : reader.required("layers").items()) {
    plan.layers.push_back(parse_layer_plan(layer));
  }
  reader.refuse_unknown_keys();
  return plan;
}

}  // namespace cce
