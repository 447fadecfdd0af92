#include "worker/stages/analyze/analyze.h"

#include <algorithm>
#include <span>
#include <sstream>
#include <string>
#include <utility>

#include "common/model/format_rules.h"
#include "worker/passes/checkpoint_layers.h"
#include "worker/stages/analyze/analyze_layer.h"
#include "worker/stages/analyze/signature_table.h"

namespace cce {
namespace {

std::vector<std::int64_t> owned_layers(const StageContext& context) {
  std::vector<std::int64_t> result;
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    if (context.owns(layer)) {
      result.push_back(layer);
    }
  }
  return result;
}

// 3. One line of JSON a layer, the layers of a rank in order.
std::vector<LayerAnalysis> gather_layers(StageContext& context, std::vector<LayerAnalysis> all) {
  std::string lines;
  for (const std::int64_t layer : owned_layers(context)) {
    lines += to_json(all[static_cast<std::size_t>(layer)]) + "\n";
  }
  std::vector<std::istringstream> texts;
  for (const auto& blob : context.communicator.all_gather(std::as_bytes(std::span(lines)))) {
    texts.emplace_back(std::string(reinterpret_cast<const char*>(blob.data()), blob.size()));
  }
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    const auto index = static_cast<std::size_t>(layer);
    std::string line;
    std::getline(texts[static_cast<std::size_t>(context.partition.owner[index])], line);
    if (!context.owns(layer)) {
      all[index] = parse_layer_analysis(line, "analysis of layer " + std::to_string(layer));
    }
  }
  return all;
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
                      const CalibrationData& data, const TakeSpectra& take_spectra) {
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
      AnalyzedLayer found =
          analyze_layer(context.backend, weights, sums, data.gradient_tokens(), context.spec,
                        [&](SubBlock kind, ConstMatrix output_weights, ConstMatrix centred) {
                          signatures.add(layer, kind, output_weights, centred);  // 2.
                        });
      take_spectra(layer, found.value_spectra);
      mine[static_cast<std::size_t>(layer)] = std::move(found.costs);
    }
    context.reporter.progress(round + 1, steps, -1, 0.0);
  }
  ModelAnalysis result;
  signatures.finish(result.ffn, result.attention);
  result.layers = gather_layers(context, std::move(mine));
  std::int64_t done = rounds;
  result.drop_costs =  // 4.
      measure_drop_costs(context, data, blocks, whole_layers,
                         [&](std::int64_t layer) { context.reporter.progress(++done, steps, layer, 0.0); });
  context.reporter.stage_finished(0.0);
  return result;
}

}  // namespace cce
