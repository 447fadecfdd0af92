#include "coordinator/forecast/partitioner.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <string>

#include "common/base/error.h"
#include "common/base/number_format.h"
#include "common/cost/host_memory.h"

namespace cce {
namespace {

constexpr std::int64_t micro_batch_tokens = 2048;
constexpr std::int64_t usual_chunk_sequences = 8;

double layer_work(const LayerShape& shape) {
  const double m = shape.has_ffn ? static_cast<double>(shape.ffn_width) : 0.0;
  const double n = shape.has_attention ? static_cast<double>(shape.query_heads() * shape.vo_dim) : 0.0;
  return m * m * m + n * n * n;
}

// 2.
std::vector<std::int32_t> balanced_owners(const ModelConfig& config, std::int64_t ranks) {
  std::vector<std::size_t> order(config.layers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return layer_work(config.layers[a]) > layer_work(config.layers[b]);
  });
  std::vector<double> load(static_cast<std::size_t>(ranks), 0.0);
  std::vector<std::int32_t> owner(config.layers.size(), 0);
  for (const std::size_t layer : order) {
    const auto least = std::min_element(load.begin(), load.end());
    owner[layer] = static_cast<std::int32_t>(least - load.begin());
    *least += std::max(layer_work(config.layers[layer]), 1.0);
  }
  return owner;
}

std::int64_t largest_peak(const JobSpec& spec, const ModelConfig& config, const CheckpointSize& size,
                          const Partition& partition) {
  std::int64_t peak = 0;
  for (std::int64_t rank = 0; rank < partition.ranks(); ++rank) {
    peak = std::max(peak, peak_bytes(forecast_memory(spec, config, size, partition, rank)));
  }
  return peak;
}

std::int64_t limit_of_rank(const JobSpec& spec, const Machine& machine, std::int64_t ranks) {
  ResourceSettings resources = spec.resources;
  resources.ranks = ranks;
  // Only the worker knows how much memory its GPU has.
  const std::int64_t available = resources.device == "cuda"
                                     ? std::numeric_limits<std::int64_t>::max()
                                     : machine.memory_bytes / ranks_per_node(resources);
  return resources.memory_bytes.value_or(available);
}

struct Fit {
  Partition partition;
  std::int64_t peak_bytes = 0;
  bool fits = false;
};

// 1. to 3.
Fit fit_ranks(const JobSpec& spec, const ModelConfig& config, const CheckpointSize& size,
              const Machine& machine, std::int64_t ranks) {
  Fit fit;
  fit.partition.sequences = split_sequences(spec.calibration.sequences, ranks);
  fit.partition.owner = balanced_owners(config, ranks);
  const std::int64_t most = fit.partition.sequences[0].count;
  fit.partition.micro_batch_sequences =
      std::clamp<std::int64_t>(micro_batch_tokens / spec.calibration.length, 1, most);
  // A chunk is whole micro-batches, so that shrinking it never regroups the sums within one.
  const std::int64_t micro = fit.partition.micro_batch_sequences;
  fit.partition.chunk_sequences = (std::max(usual_chunk_sequences, micro) + micro - 1) / micro * micro;
  const std::int64_t limit = limit_of_rank(spec, machine, ranks);
  while (true) {
    fit.peak_bytes = largest_peak(spec, config, size, fit.partition);
    fit.fits = fit.peak_bytes <= limit;
    Partition& partition = fit.partition;
    if (fit.fits || (partition.chunk_sequences == 1 && partition.micro_batch_sequences == 1)) {
      return fit;
    }
    if (partition.chunk_sequences > partition.micro_batch_sequences) {
      partition.chunk_sequences -= partition.micro_batch_sequences;
    } else {
      partition.micro_batch_sequences = std::max<std::int64_t>(partition.micro_batch_sequences / 2, 1);
      partition.chunk_sequences = partition.micro_batch_sequences;
    }
  }
}

/// The longest window that would fit, of the halves of the recipe's; nothing where layers and their sums are what does
/// not fit.
std::optional<std::int64_t> fitting_length(const JobSpec& spec, const ModelConfig& config,
                                           const CheckpointSize& size, const Machine& machine) {
  constexpr std::int64_t shortest_length = 64;
  JobSpec shorter = spec;
  while (shorter.calibration.length >= 2 * shortest_length) {
    shorter.calibration.length /= 2;
    if (fit_ranks(shorter, config, size, machine, spec.resources.ranks).fits) {
      return shorter.calibration.length;
    }
  }
  return std::nullopt;
}

[[noreturn]] void refuse_size(const JobSpec& spec, const ModelConfig& config, const CheckpointSize& size,
                              const Machine& machine, const Fit& fit) {
  const std::int64_t ranks = spec.resources.ranks;
  std::optional<std::int64_t> smallest;
  for (std::int64_t more = ranks + 1; more <= spec.calibration.sequences && !smallest; ++more) {
    if (fit_ranks(spec, config, size, machine, more).fits) {
      smallest = more;
    }
  }
  const bool given = spec.resources.memory_bytes.has_value();
  const std::string more =
      given ? "raise resources.memory to " + format_bytes(fit.peak_bytes)
            : "use a machine with " + format_bytes(ranks_per_node(spec.resources) * fit.peak_bytes);
  std::string remedy = "No number of ranks fits, however short the windows are: " + more;
  if (smallest) {
    remedy = "Use --ranks " + std::to_string(*smallest) + ", the fewest that fit";
  } else if (!given && ranks > 1 && fit_ranks(spec, config, size, machine, 1).fits) {
    remedy = "Use --ranks 1: fewer ranks share this machine's memory";
  } else if (const std::optional<std::int64_t> length = fitting_length(spec, config, size, machine)) {
    remedy = "No number of ranks fits: set calibration.length=" + std::to_string(*length) + ", or " + more;
  }
  throw Error{.code = ErrorCode::does_not_fit,
              .where = given ? "resources.memory"
                             : "memory of this machine, shared by " + std::to_string(ranks) +
                                   (ranks == 1 ? " rank" : " ranks"),
              .found = "a need of " + format_bytes(fit.peak_bytes) + " per rank",
              .expected = "at most " + format_bytes(limit_of_rank(spec, machine, ranks)),
              .remedy = remedy};
}

}  // namespace

Partition make_partition(const JobSpec& spec, const ModelConfig& config, const CheckpointSize& size,
                         const Machine& machine, const MachineRates& rates) {
  Fit fit = fit_ranks(spec, config, size, machine, spec.resources.ranks);
  if (!fit.fits) {
    refuse_size(spec, config, size, machine, fit);
  }
  for (std::int64_t rank = 0; rank < fit.partition.ranks(); ++rank) {  // 4.
    const bool on_gpu = spec.resources.device == "cuda";
    fit.partition.forecast.push_back(
        {.peak_bytes = peak_bytes(forecast_memory(spec, config, size, fit.partition, rank)),
         .host_bytes = on_gpu ? peak_bytes(forecast_host_memory(spec, config, size, fit.partition, rank)) : 0,
         .stages = forecast_seconds(spec, config, size, fit.partition, rank, rates)});
  }
  return std::move(fit.partition);
}

}  // namespace cce
