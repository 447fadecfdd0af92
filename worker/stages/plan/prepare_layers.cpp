#include "worker/stages/plan/prepare_layers.h"

#include "worker/passes/checkpoint_layers.h"
#include "worker/stages/analyze/loss_metric.h"
#include "worker/stages/plan/starting_layer.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

HostMatrix second_moment(Backend& backend, const SubBlockStatistics& statistics, double tokens) {
  const ConstMatrix sums = statistics.gradient_covariance.view();
  HostMatrix result(sums.rows, sums.cols);
  if (!sums.empty()) {
    OwnedMatrix narrow = backend.matrix(DType::f32, sums.rows, sums.cols);
    ops::convert(backend, scaled_copy(backend, sums, 1.0 / tokens).view(), narrow.view());
    backend.download(narrow.view(), result.view());
  }
  return result;
}

}  // namespace

std::vector<std::optional<StartingLayer>> prepare_layers(
    StageContext& context, const std::vector<std::optional<LayerStatistics>>& statistics, double tokens,
    const SpectraOf& spectra_of, const CompressionPlan& plan, const ModelConfig& compressed) {
  CheckpointLayers source(context.checkpoint, DType::f32);
  std::vector<std::optional<StartingLayer>> result(statistics.size());
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    if (!statistics[i]) {
      continue;
    }
    const auto layer = static_cast<std::int64_t>(i);
    std::vector<std::byte> block(source.packed_bytes(layer));  // the host's: selection works there
    source.pack(layer, block);
    const std::vector<HeadSpectrum> spectra = narrows_values(context.dense().layers[i], plan.layers[i])
                                                  ? spectra_of(layer)
                                                  : std::vector<HeadSpectrum>();
    StartingLayer start;
    start.layer = make_starting_layer(context.backend, source.view(layer, block), plan.layers[i],
                                      compressed.layers[i], *statistics[i], tokens, spectra, context.spec);
    start.attention_gradient = second_moment(context.backend, statistics[i]->attention, tokens);
    start.ffn_gradient = second_moment(context.backend, statistics[i]->ffn, tokens);
    result[i] = std::move(start);
  }
  return result;
}

}  // namespace cce
