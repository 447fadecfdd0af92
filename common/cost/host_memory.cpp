#include "common/cost/host_memory.h"

#include <algorithm>

#include "common/cost/kept_share.h"
#include "common/cost/sizes.h"

namespace cce {
namespace {

constexpr std::int64_t program_bytes = std::int64_t{1} << 30;
constexpr std::int64_t copy_buffer_bytes = 2 * (std::int64_t{16} << 20);

struct HostSizes {
  std::int64_t largest_layer = 0;  ///< parameters
  std::int64_t starting_layers = 0;
};

HostSizes sizes_of(const JobSpec& spec, const ModelConfig& config, const Partition& partition,
                   std::int64_t rank) {
  HostSizes sizes;
  for (std::size_t layer = 0; layer < config.layers.size(); ++layer) {
    const std::int64_t parameters = layer_parameters(config.layers[layer], config.hidden_size);
    sizes.largest_layer = std::max(sizes.largest_layer, parameters);
    if (partition.owner[layer] == rank) {
      sizes.starting_layers +=
          4 * kept_of(spec, parameters) + 2 * 4 * config.hidden_size * config.hidden_size;
    }
  }
  return sizes;
}

void add_training(const JobSpec& spec, const ModelConfig& config, const CheckpointSize& size,
                  const HostSizes& sizes, StageMemory& memory) {
  const FinetuneSettings& finetune = spec.finetune;
  if (finetune.alpha > 0.0 || finetune.kl > 0.0) {
    const std::int64_t layer = std::max(sizes.largest_layer, size.teacher_layer_parameters);
    memory.terms.push_back({.name = "teacher's mapped checkpoint", .bytes = size.teacher_bytes});
    memory.terms.push_back(
        {.name = "teacher's layers, pinned", .bytes = 2 * layer * size.compute_value_bytes});
  }
  memory.terms.push_back({.name = "a layer of state/", .bytes = 4 * sizes.largest_layer});
  if (finetune.beta > 0.0) {
    const std::int64_t width = cost::signature_width(config.hidden_size);
    memory.terms.push_back({.name = "signatures of L_sim",
                            .bytes = 16 * static_cast<std::int64_t>(config.layers.size()) * width * width});
  }
}

}  // namespace

std::vector<StageMemory> forecast_host_memory(const JobSpec& spec, const ModelConfig& config,
                                              const CheckpointSize& size, const Partition& partition,
                                              std::int64_t rank) {
  const HostSizes sizes = sizes_of(spec, config, partition, rank);
  const std::int64_t layer = sizes.largest_layer;
  std::vector<StageMemory> stages;
  for (const Stage stage : stages_of(spec)) {
    StageMemory memory{
        .stage = stage,
        .terms = {{.name = "program, CUDA context and libraries", .bytes = program_bytes},
                  {.name = "mapped checkpoint", .bytes = size.tensor_bytes},
                  {.name = "layers on their way, pinned", .bytes = 2 * layer * size.compute_value_bytes},
                  {.name = "buffers for copies, pinned", .bytes = copy_buffer_bytes}}};
    if (stage == Stage::make_plan || stage == Stage::encode) {
      memory.terms.push_back({.name = "starting layers", .bytes = sizes.starting_layers});
    }
    if (stage == Stage::make_plan) {
      memory.terms.push_back({.name = "a layer being prepared", .bytes = 8 * layer});
    } else if (stage == Stage::finetune) {
      add_training(spec, config, size, sizes, memory);
    } else if (stage == Stage::evaluate) {
      memory.terms.push_back({.name = "a layer of state/", .bytes = 4 * layer});
    } else if (stage == Stage::export_result) {
      memory.terms.push_back({.name = "tensors being written",
                              .bytes = 4 * (layer + config.vocabulary_size * config.hidden_size)});
    }
    stages.push_back(std::move(memory));
  }
  return stages;
}

}  // namespace cce
