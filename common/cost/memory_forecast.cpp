#include "common/cost/memory_forecast.h"

#include <algorithm>
#include <utility>

#include "common/cost/kept_share.h"
#include "common/cost/sizes.h"
#include "common/cost/training_memory.h"

namespace cce {
namespace {

/// Measured: resident size of a worker after MPI_Init, oneDNN and OpenBLAS have started, before any model.
constexpr std::int64_t program_bytes = 36LL << 20;
/// What the CUDA backend holds before any model: cuBLAS's workspace and the rest of the pool's first piece.
constexpr std::int64_t gpu_program_bytes = 64LL << 20;

struct Widths {
  std::int64_t features = 0;     ///< max(m, n) over layers
  std::int64_t projections = 0;  ///< widths of q, k and v together, the largest layer's
  std::int64_t normed = 0;       ///< q and k where they are normed
  std::int64_t ffn = 0;
  std::int64_t pairs = 0;
  std::int64_t layer_parameters = 0;
};

Widths widest(const ModelConfig& config) {
  Widths widths;
  for (const LayerShape& shape : config.layers) {
    widths.ffn = std::max(widths.ffn, cost::ffn_width(shape));
    widths.features = std::max({widths.features, widths.ffn, cost::head_output_width(shape)});
    widths.projections = std::max(widths.projections, (shape.query_heads() + shape.kv_groups) * shape.qk_dim +
                                                          shape.kv_groups * shape.vo_dim);
    if (shape.keeps_qk_whole()) {
      widths.normed = std::max(widths.normed, (shape.query_heads() + shape.kv_groups) * shape.qk_dim);
    }
    widths.pairs = std::max(widths.pairs, shape.kv_groups * shape.qk_dim / 2);
    widths.layer_parameters = std::max(widths.layer_parameters, layer_parameters(shape, config.hidden_size));
  }
  return widths;
}

/// One rank's view of the job.
class RankMemory {
 public:
  RankMemory(const JobSpec& spec, const ModelConfig& config, const CheckpointSize& size,
             const Partition& partition, std::int64_t rank)
      : spec_(spec),
        config_(config),
        size_(size),
        partition_(partition),
        rank_(rank),
        widths_(widest(config)) {
    for (std::size_t layer = 0; layer < config.layers.size(); ++layer) {
      const std::int64_t sums = cost::layer_sum_numbers(config.layers[layer], config.hidden_size);
      largest_sums_ = std::max(largest_sums_, sums);
      if (partition.owner[layer] == rank) {
        const LayerShape& shape = config.layers[layer];
        owned_sums_ += sums;
        ++owned_layers_;
        owned_parameters_ += layer_parameters(shape, config.hidden_size);
      }
    }
  }

  StageMemory stage(Stage stage) const {
    StageMemory memory{.stage = stage, .terms = common_terms()};
    const auto add = [&memory](const char* name, std::int64_t bytes) {
      memory.terms.push_back({.name = name, .bytes = bytes});
    };
    switch (stage) {
      case Stage::calibrate:
        add("boundaries of a chunk", boundary_bytes());
        add("sums of one visit (f32)", 4 * largest_sums_);
        add("sums of owned layers", kept_sum_bytes() * owned_sums_);
        break;
      case Stage::analyze:
        add("sums of owned layers", kept_sum_bytes() * owned_sums_);
        add("eigenvalues of one layer", 16 * widths_.features * widths_.features);
        break;
      case Stage::make_plan:
        add("sums of owned layers", kept_sum_bytes() * owned_sums_);
        add("starting layers", starting_layer_bytes());
        add("elimination of one layer",
            8 * (3 * widths_.features * widths_.features + 2 * widths_.features * config_.hidden_size));
        break;
      case Stage::encode:
        add("dense and compressed stream", 2 * rank_tokens() * config_.hidden_size * 4);
        add("features of all tokens", rank_tokens() * kept(widths_.features) * size_.compute_value_bytes);
        add("refit of one sub-block", refit_bytes());
        add("starting layers", starting_layer_bytes());
        if (spec_.encode.refine_steps > 0) {
          add("refinement of one sub-block",
              16 * kept(widths_.layer_parameters) +
                  micro_batch_tokens() *
                      (2 * config_.hidden_size * 4 + kept(widths_.features) * size_.compute_value_bytes));
        }
        break;
      case Stage::finetune:
        add_training(memory);
        break;
      case Stage::evaluate:
        add("streams of a chunk",
            partition_.chunk_sequences * spec_.calibration.length * config_.hidden_size * 4);
        break;
      case Stage::export_result:
        add("tensors being written",
            4 * (widths_.layer_parameters + config_.vocabulary_size * config_.hidden_size));
        break;
    }
    return memory;
  }

 private:
  void add_training(StageMemory& memory) const {
    for (MemoryTerm& term :
         training_memory(spec_, config_, size_, partition_, rank_, scratch_bytes_per_token())) {
      memory.terms.push_back(std::move(term));
    }
  }

  std::vector<MemoryTerm> common_terms() const {
    const std::int64_t outer =
        (config_.tied_embeddings ? 1 : 2) * config_.vocabulary_size * config_.hidden_size;
    return {
        {.name = "program and libraries", .bytes = on_gpu() ? gpu_program_bytes : program_bytes},
        {.name = "mapped checkpoint", .bytes = on_gpu() ? 0 : size_.tensor_bytes},
        {.name = "embedding and head", .bytes = outer * size_.compute_value_bytes},
        {.name = "layers on their way", .bytes = 2 * widths_.layer_parameters * size_.compute_value_bytes},
        {.name = "scratch of a micro-batch", .bytes = scratch_bytes()},
        {.name = "tile of logits", .bytes = logits_bytes()}};
  }

  bool on_gpu() const { return spec_.resources.device == "cuda"; }
  std::int64_t kept_sum_bytes() const { return on_gpu() ? 4 : 8; }
  /// On a GPU the logits of a chunk and their errors.
  std::int64_t logits_bytes() const {
    if (!on_gpu()) {
      return cost::cpu_logits_rows * config_.vocabulary_size * 4;
    }
    return std::min(cost::gpu_logits, spec_.calibration.length * config_.vocabulary_size) *
           (4 + size_.compute_value_bytes);
  }

  std::int64_t micro_batch_tokens() const {
    return partition_.micro_batch_sequences * spec_.calibration.length;
  }
  std::int64_t rank_tokens() const {
    return partition_.sequences[static_cast<std::size_t>(rank_)].count * spec_.calibration.length;
  }
  std::int64_t scratch_bytes_per_token() const {
    const std::int64_t narrow = 3 * widths_.features + 3 * widths_.projections + 2 * config_.hidden_size;
    const std::int64_t wide = 4 * config_.hidden_size + widths_.pairs + 3 * widths_.normed;
    return narrow * size_.compute_value_bytes + wide * 4;
  }
  std::int64_t scratch_bytes() const { return micro_batch_tokens() * scratch_bytes_per_token(); }
  std::int64_t boundary_bytes() const {
    const SequenceRange& range = partition_.sequences[static_cast<std::size_t>(rank_)];
    const std::int64_t sequences =
        std::min(partition_.chunk_sequences, gradient_sequences_in(spec_.calibration, range));
    const auto layers = static_cast<std::int64_t>(config_.layers.size());
    return (2 * layers + 2) * sequences * spec_.calibration.length * config_.hidden_size * 4;
  }
  std::int64_t refit_bytes() const {
    const std::int64_t width = kept(widths_.features);
    const std::int64_t square = width * width;
    const std::int64_t side = width * config_.hidden_size;
    return 2 * 12 * (square + side) + 8 * (3 * square + 4 * side);
  }
  std::int64_t starting_layer_bytes() const {
    if (on_gpu()) {
      return 0;  // they wait in the host's memory
    }
    return 4 * kept(owned_parameters_) + 8 * owned_layers_ * config_.hidden_size * config_.hidden_size;
  }
  std::int64_t kept(std::int64_t dense) const { return kept_of(spec_, dense); }

  const JobSpec& spec_;
  const ModelConfig& config_;
  const CheckpointSize& size_;
  const Partition& partition_;
  std::int64_t rank_;
  Widths widths_;
  std::int64_t largest_sums_ = 0, owned_sums_ = 0, owned_layers_ = 0, owned_parameters_ = 0;
};

}  // namespace

std::int64_t StageMemory::bytes() const {
  std::int64_t total = 0;
  for (const MemoryTerm& term : terms) {
    total += term.bytes;
  }
  return total;
}

std::vector<StageMemory> forecast_memory(const JobSpec& spec, const ModelConfig& config,
                                         const CheckpointSize& size, const Partition& partition,
                                         std::int64_t rank) {
  const RankMemory memory(spec, config, size, partition, rank);
  std::vector<StageMemory> stages;
  for (const Stage stage : stages_of(spec)) {
    stages.push_back(memory.stage(stage));
  }
  return stages;
}

std::int64_t peak_bytes(const std::vector<StageMemory>& stages) {
  std::int64_t peak = 0;
  for (const StageMemory& stage : stages) {
    peak = std::max(peak, stage.bytes());
  }
  return peak;
}

std::int64_t gradient_sequences_in(const CalibrationSettings& calibration, const SequenceRange& range) {
  const std::int64_t last = range.first + range.count;
  return last * calibration.gradient_sequences / calibration.sequences -
         range.first * calibration.gradient_sequences / calibration.sequences;
}

}  // namespace cce
