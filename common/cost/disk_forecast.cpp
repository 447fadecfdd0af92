#include "common/cost/disk_forecast.h"

#include <algorithm>

#include "common/cost/kept_share.h"
#include "common/cost/sizes.h"

namespace cce {
namespace {

constexpr std::int64_t neuron_text_bytes = 32;
constexpr std::int64_t beside_tensors_bytes = std::int64_t{16} << 20;

}  // namespace

std::int64_t DiskForecast::widest() const {
  return statistics + analyzed + prepared + encoded + std::max(training, trained + result + delivered);
}

DiskForecast forecast_disk(const JobSpec& spec, const ModelConfig& config) {
  const std::int64_t dense = block_parameters(config);
  const std::int64_t kept = spec.target.kind == TargetKind::remove_params ? kept_of(spec, dense) : dense;
  DiskForecast disk;
  if (runs(spec, Stage::calibrate) && spec.calibration.keep_statistics) {
    for (const LayerShape& shape : config.layers) {
      disk.statistics +=
          (spec.resources.device == "cuda" ? 4 : 8) * cost::stored_sum_numbers(shape, config.hidden_size);
    }
  }
  if (runs(spec, Stage::analyze)) {
    for (const LayerShape& shape : config.layers) {
      disk.analyzed += 8 * cost::value_spectra_numbers(shape) + neuron_text_bytes * cost::ffn_width(shape);
    }
  }
  if (runs(spec, Stage::make_plan)) {
    const auto layers = static_cast<std::int64_t>(config.layers.size());
    disk.prepared = 4 * kept + layers * 2 * 4 * config.hidden_size * config.hidden_size;
  }
  if (runs(spec, Stage::encode)) {
    disk.encoded = 4 * kept;
  }
  if (runs(spec, Stage::finetune)) {
    const std::int64_t checkpoint = spec.finetune.gamma > 0.0 ? 4 : 3;
    const std::int64_t best = spec.finetune.validation.empty() ? 0 : 1;
    disk.training = 4 * (2 * checkpoint + best) * kept;
    disk.trained = 4 * kept;
  }
  if (runs(spec, Stage::export_result)) {
    const std::int64_t value_bytes = cost::export_value_bytes(spec.export_settings.dtype);
    disk.result = value_bytes * (kept + total_parameters(config) - dense) + beside_tensors_bytes;
    disk.delivered = spec.output.empty() ? 0 : disk.result;
  }
  return disk;
}

}  // namespace cce
