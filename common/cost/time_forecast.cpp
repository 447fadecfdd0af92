#include "common/cost/time_forecast.h"

#include <algorithm>
#include <filesystem>

#include "common/base/json_reader.h"
#include "common/cost/kept_share.h"
#include "common/cost/sizes.h"

namespace cce {
namespace {

constexpr double bytes_per_text_token = 4.0;

struct LayerCosts {
  double gram = 0.0;   ///< numbers in the sums a token adds to
  double cubes = 0.0;  ///< m³ + n³
  double solve = 0.0;  ///< (m³ + n³) / 3 + 2 (m² + n²) d
  double refit = 0.0;  ///< m² + n² + (m + n) d
};

LayerCosts costs_of(const LayerShape& shape, double hidden) {
  const double m = static_cast<double>(cost::ffn_width(shape));
  const double n = static_cast<double>(cost::head_output_width(shape));
  const double cubes = m * m * m + n * n * n;
  return {.gram = 2.0 * (m * m + n * n) + 2.0 * hidden * hidden,
          .cubes = cubes,
          .solve = cubes / 3.0 + 2.0 * (m * m + n * n) * hidden,
          .refit = m * m + n * n + (m + n) * hidden};
}

/// Windows of a text that are evaluated, estimated without tokenising it.
double windows_of(const TextSource& text, std::int64_t length) {
  std::error_code ignored;
  const std::uintmax_t bytes = std::filesystem::file_size(text.path, ignored);
  const double available =
      ignored ? 64.0 : static_cast<double>(bytes) / bytes_per_text_token / static_cast<double>(length);
  if (text.first < 0 && !text.last) {
    return std::min(available, static_cast<double>(-text.first));
  }
  if (text.last && (text.first < 0) == (*text.last < 0)) {
    return std::min(available, static_cast<double>(*text.last - text.first));
  }
  return available;
}

double evaluated_tokens(const JobSpec& spec) {
  double windows = 0.0;
  for (const TextSource& text : spec.evaluate.text) {
    windows += windows_of(text, spec.calibration.length);
  }
  return windows * static_cast<double>(spec.calibration.length);
}

double training_tokens(const JobSpec& spec) {
  if (spec.finetune.max_tokens > 0) {
    return static_cast<double>(spec.finetune.max_tokens);
  }
  double windows = 0.0;
  for (const TextSource& text : spec.finetune.text) {
    windows += windows_of(text, spec.calibration.length);
  }
  return windows * static_cast<double>(spec.calibration.length);
}

/// Forward passes of one sequence that measuring dropped blocks and layers takes (measure_drop_costs).
double drop_cost_sequences(const JobSpec& spec, std::size_t layers) {
  const auto asks = [&](Structure structure) {
    return std::find(spec.structures.begin(), spec.structures.end(), structure) != spec.structures.end();
  };
  const double kinds = (asks(Structure::blocks) ? 2.0 : 0.0) + (asks(Structure::layers) ? 1.0 : 0.0);
  const double sequences =
      static_cast<double>(std::min(cost::drop_cost_sequences, spec.calibration.sequences));
  return kinds * sequences * (static_cast<double>(layers) + 3.0) / 2.0;
}

}  // namespace

MachineRates assumed_rates(std::int64_t threads, bool has_bf16) {
  const double cores = static_cast<double>(threads);
  return {.f32_flops = 80e9 * cores,
          .bf16_flops = (has_bf16 ? 250e9 : 80e9) * cores,
          .f64_flops = 45e9 * cores,
          .memory_bytes = 8e9 * cores};
}

MachineRates assumed_gpu_rates(std::int64_t host_threads) {
  return {.f32_flops = 9.75e12,
          .bf16_flops = 156e12,
          .f64_flops = 9.75e12,
          .memory_bytes = assumed_rates(host_threads, false).memory_bytes};
}

MachineRates parse_rates(const std::string& json_text, const std::string& where) {
  const Json document = parse_json(json_text, where);
  JsonReader reader(document, where);
  const NumberRange positive{.lowest = 0.0, .highest = 1e18, .above_lowest = true};
  return {.f32_flops = reader.required("gemm_f32_flops").number(positive),
          .bf16_flops = reader.required("gemm_bf16_flops").number(positive),
          .f64_flops = reader.required("gemm_f64_flops").number(positive),
          .memory_bytes = reader.required("memory_bytes").number(positive)};
}

std::vector<StageForecast> forecast_seconds(const JobSpec& spec, const ModelConfig& config,
                                            const CheckpointSize& size, const Partition& partition,
                                            std::int64_t rank, const MachineRates& rates) {
  const SequenceRange& range = partition.sequences[static_cast<std::size_t>(rank)];
  const double length = static_cast<double>(spec.calibration.length);
  const double tokens = static_cast<double>(range.count) * length;
  const double gradient_tokens = static_cast<double>(gradient_sequences_in(spec.calibration, range)) * length;
  const double forward = flops_per_token(config, spec.calibration.length);
  const double product_rate = size.compute_value_bytes == 2 ? rates.bf16_flops : rates.f32_flops;
  const double hidden = static_cast<double>(config.hidden_size);

  LayerCosts all;
  double owned_cubes = 0.0;
  double owned_layers = 0.0;
  for (std::size_t layer = 0; layer < config.layers.size(); ++layer) {
    const LayerCosts costs = costs_of(config.layers[layer], hidden);
    all.gram += costs.gram;
    all.solve += costs.solve;
    all.refit += costs.refit;
    if (partition.owner[layer] == rank) {
      owned_cubes += costs.cubes;
      owned_layers += 1.0;
    }
  }
  const double evaluated = evaluated_tokens(spec) / static_cast<double>(partition.ranks());
  std::vector<StageForecast> stages;
  for (const Stage stage : stages_of(spec)) {
    double seconds = 0.0;
    switch (stage) {
      case Stage::calibrate:
        seconds = gradient_tokens * (3.0 * forward + 2.0 * all.gram) / product_rate;
        break;
      case Stage::analyze:
        seconds = 9.0 * owned_cubes / rates.f64_flops +
                  drop_cost_sequences(spec, config.layers.size()) * length * forward /
                      static_cast<double>(partition.ranks()) / product_rate;
        break;
      case Stage::make_plan:
        seconds = (2.6 * owned_cubes + 7.0 * owned_layers * hidden * hidden * hidden) / rates.f64_flops;
        break;
      case Stage::encode:
        seconds = tokens * (2.0 * forward + 2.0 * all.refit) / product_rate + all.solve / rates.f64_flops;
        break;
      case Stage::finetune: {
        seconds = training_tokens(spec) / static_cast<double>(partition.ranks()) * forward *
                  (1.0 + 4.0 * kept_share(spec)) / product_rate;
        if (spec.finetune.max_seconds > 0.0) {  // alone, all of it is used: the text repeats
          const bool alone = spec.finetune.max_tokens == 0;
          seconds = alone ? spec.finetune.max_seconds : std::min(seconds, spec.finetune.max_seconds);
        }
        break;
      }
      case Stage::evaluate:
        seconds = evaluated * forward * (runs(spec, Stage::encode) ? 2.0 : 1.0) / product_rate;
        break;
      case Stage::export_result:
        seconds = 2.0 * static_cast<double>(size.tensor_bytes) / (0.1 * rates.memory_bytes) +
                  4.0 * length * forward / product_rate;
        break;
    }
    stages.push_back({.stage = std::string(stage_name(stage)), .seconds = seconds});
  }
  return stages;
}

}  // namespace cce
