#include "worker/stages/analyze/analyze.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

#include "common/model/format_rules.h"
#include "worker/passes/checkpoint_layers.h"
#include "worker/stages/analyze/analyze_layer.h"
#include "worker/stages/analyze/signature_table.h"

namespace cce {
namespace {

std::vector<std::byte> to_bytes(const std::string& text) {
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::string to_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// 3.
std::vector<LayerAnalysis> gather_layers(StageContext& context, const std::vector<LayerAnalysis>& mine) {
  std::vector<LayerAnalysis> all(static_cast<std::size_t>(context.layers()));
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    const auto index = static_cast<std::size_t>(layer);
    std::vector<std::byte> blob;
    if (context.owns(layer)) {
      blob = to_bytes(to_json(mine[index]));
    }
    const auto blobs = context.communicator.all_gather(blob);
    const auto owner = static_cast<std::size_t>(context.partition.owner[index]);
    all[index] = parse_layer_analysis(to_text(blobs[owner]), "analysis of layer " + std::to_string(layer));
  }
  return all;
}

std::vector<std::int64_t> owned_layers(const StageContext& context) {
  std::vector<std::int64_t> result;
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    if (context.owns(layer)) {
      result.push_back(layer);
    }
  }
  return result;
}

std::int64_t most_owned_layers(const Partition& partition) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(partition.ranks()), 0);
  for (const std::int32_t owner : partition.owner) {
    ++counts[static_cast<std::size_t>(owner)];
  }
  return *std::max_element(counts.begin(), counts.end());
}

}  // namespace

ModelAnalysis analyze(StageContext& context, const std::vector<std::optional<LayerStatistics>>& statistics,
                      const CalibrationData& data) {
  context.reporter.stage_started(Stage::analyze);
  const std::vector<std::int64_t> owned = owned_layers(context);
  CheckpointLayers source(context.checkpoint, context.compute_dtype);
  SignatureTable signatures(context);
  std::vector<LayerAnalysis> mine(static_cast<std::size_t>(context.layers()));
  // Owners work side by side: the safe point comes after each one's i-th layer, not after the model's.
  const std::int64_t rounds = most_owned_layers(context.partition);
  const bool blocks = uses_structure(context.spec, Structure::blocks);
  const bool whole_layers = uses_structure(context.spec, Structure::layers);
  const std::int64_t steps = rounds + drop_cost_visits(context, data, blocks, whole_layers);
  for (std::int64_t round = 0; round < rounds; ++round) {
    if (round < static_cast<std::int64_t>(owned.size())) {
      const std::int64_t layer = owned[static_cast<std::size_t>(round)];
      const Buffer packed = pack_on_backend(context.backend, source, layer);
      const LayerWeights weights = source.view(layer, bytes_of(packed));
      const LayerStatistics& sums = *statistics[static_cast<std::size_t>(layer)];
      mine[static_cast<std::size_t>(layer)] =
          analyze_layer(context.backend, weights, sums, data.gradient_tokens(), context.spec);
      signatures.add_layer(layer, weights, sums, data.gradient_tokens());
    }
    context.reporter.progress(round + 1, steps, -1, 0.0);
  }
  ModelAnalysis result;
  signatures.finish(result.ffn, result.attention);
  result.layers = gather_layers(context, mine);
  std::int64_t done = rounds;
  result.drop_costs =  // 4.
      measure_drop_costs(context, data, blocks, whole_layers,
                         [&](std::int64_t layer) { context.reporter.progress(++done, steps, layer, 0.0); });
  context.reporter.stage_finished(0.0);
  return result;
}

}  // namespace cce
