#include "common/cost/memory_forecast.h"

#include <algorithm>
#include <utility>

#include "common/cost/kept_share.h"
#include "common/cost/sizes.h"
#include "common/cost/stage_sizes.h"
#include "common/cost/training_memory.h"
#include "common/model/format_rules.h"

namespace cce {
namespace {

/// Measured: resident size of a worker after MPI_Init, oneDNN and OpenBLAS have started, before any model.
constexpr std::int64_t program_bytes = 36LL << 20;
/// What the CUDA backend holds before any model: cuBLAS's workspace and the rest of the pool's first piece.
constexpr std::int64_t gpu_program_bytes = 64LL << 20;

/// Of the widest layer.
struct Widths {
  std::int64_t ffn = 0, heads = 0;  ///< m, n
  std::int64_t features = 0;        ///< max(m, n)
  std::int64_t layer_parameters = 0;
};

Widths widest(const ModelConfig& config) {
  Widths widths;
  for (const LayerShape& shape : config.layers) {
    widths.ffn = std::max(widths.ffn, cost::ffn_width(shape));
    widths.heads = std::max(widths.heads, cost::head_output_width(shape));
    widths.features = std::max(widths.ffn, widths.heads);
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
        widths_(widest(config)),
        values_{.compute = size.compute_value_bytes, .kept_sum = kept_sum_bytes()},
        calibrate_(calibrate_sizes()),
        encode_(
            cost::encode_sizes(rank_tokens(), micro_batch_tokens(), kept_features(), config.hidden_size)) {
    for (std::size_t layer = 0; layer < config.layers.size(); ++layer) {
      const std::int64_t sums = cost::layer_sum_numbers(config.layers[layer], config.hidden_size);
      if (partition.owner[layer] == rank) {
        const LayerShape& shape = config.layers[layer];
        owned_sums_ += sums;
        ++owned_layers_;
        owned_parameters_ += layer_parameters(shape, config.hidden_size);
      }
    }
  }

  StageMemory stage(Stage stage) const {
    StageMemory memory{.stage = stage, .terms = common_terms(stage)};
    const auto add = [&memory](const char* name, std::int64_t bytes) {
      memory.terms.push_back({.name = name, .bytes = bytes});
    };
    switch (stage) {
      case Stage::calibrate:
        add("boundaries of a chunk",
            calibrate_.boundaries.bytes(values_) + calibrate_.gradient.bytes(values_));
        add("sums of one visit (f32)", calibrate_.sums.bytes(values_));
        add("gradients and features of a micro-batch", calibrate_.micro_batch_bytes(values_));
        add("sums of owned layers", kept_sum_bytes() * owned_sums_);
        break;
      case Stage::analyze:
        add("sums of owned layers", kept_sum_bytes() * owned_sums_);
        add("work on one sub-block", analysis_bytes());
        add("streams that lack a part", drop_stream_bytes());
        break;
      case Stage::make_plan:
        add("sums of owned layers", kept_sum_bytes() * owned_sums_);
        add("starting layers", starting_layer_bytes());
        add("elimination of one layer",
            8 * (3 * widths_.features * widths_.features + 2 * widths_.features * config_.hidden_size));
        break;
      case Stage::encode:
        add("dense and compressed stream", encode_.streams.bytes(values_));
        add("features of all tokens", encode_.features.bytes(values_));
        add("targets and errors of a micro-batch", encode_.micro_batch_bytes(values_));
        add("refit of one sub-block", refit_bytes());
        add("compressed layer", kept_layer_parameters() * size_.compute_value_bytes);
        add("starting layers", starting_layer_bytes());
        if (spec_.encode.refine_steps > 0) {
          add("refinement of one sub-block",
              16 * kept_layer_parameters() +
                  cost::refine_sizes(micro_batch_tokens(), kept_features(), config_.hidden_size)
                      .bytes(values_));
        }
        break;
      case Stage::finetune:
        add_training(memory);
        break;
      case Stage::evaluate:
        add("stream of a chunk", cost::stream_size(chunk_tokens(), config_.hidden_size).bytes(values_));
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
    for (MemoryTerm& term : training_memory(spec_, config_, size_, partition_, rank_)) {
      memory.terms.push_back(std::move(term));
    }
  }

  std::vector<MemoryTerm> common_terms(Stage stage) const {
    const std::int64_t outer =
        (config_.tied_embeddings ? 1 : 2) * config_.vocabulary_size * config_.hidden_size;
    return {
        {.name = "program and libraries", .bytes = on_gpu() ? gpu_program_bytes : program_bytes},
        {.name = "mapped checkpoint", .bytes = on_gpu() ? 0 : size_.tensor_bytes},
        {.name = "embedding and head", .bytes = outer * size_.compute_value_bytes},
        {.name = "layers on their way", .bytes = 2 * widths_.layer_parameters * size_.compute_value_bytes},
        {.name = "scratch of a micro-batch", .bytes = scratch_bytes(stage)},
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
  std::int64_t runner_bytes(cost::Passage passage) const {
    return cost::runner_bytes(
        config_, passage, {.micro_batch = micro_batch_tokens(), .window = spec_.calibration.length}, values_);
  }
  /// Encode has a runner for each of its two streams.
  std::int64_t scratch_bytes(Stage stage) const {
    using cost::Passage;
    switch (stage) {
      case Stage::calibrate:
        return runner_bytes(Passage::backward);
      case Stage::encode:
        return runner_bytes(Passage::forward) +
               runner_bytes(spec_.encode.refine_steps > 0 ? Passage::training : Passage::forward);
      case Stage::finetune:
        return runner_bytes(Passage::training);
      default:
        return runner_bytes(Passage::forward);
    }
  }
  std::int64_t chunk_tokens() const { return partition_.chunk_sequences * spec_.calibration.length; }
  cost::CalibrateSizes calibrate_sizes() const {
    const SequenceRange& range = partition_.sequences[static_cast<std::size_t>(rank_)];
    const std::int64_t chunk =
        std::min(partition_.chunk_sequences, gradient_sequences_in(spec_.calibration, range));
    const std::int64_t micro = std::min(partition_.micro_batch_sequences, std::max<std::int64_t>(chunk, 1));
    const std::int64_t length = spec_.calibration.length;
    return cost::calibrate_sizes(config_,
                                 {.chunk = chunk * length, .micro_batch = micro * length, .window = length});
  }
  std::int64_t analysis_bytes() const {
    const std::int64_t square = widths_.features * widths_.features;
    const std::int64_t side = widths_.features * config_.hidden_size;
    return 8 * (3 * square + 2 * side + 2 * config_.hidden_size * config_.hidden_size);
  }
  std::int64_t drop_stream_bytes() const {
    if (!uses_structure(spec_, Structure::blocks) && !uses_structure(spec_, Structure::layers)) {
      return 0;
    }
    const std::int64_t ranks = std::min<std::int64_t>(partition_.ranks(), cost::drop_cost_sequences);
    const std::int64_t most = (cost::drop_cost_sequences + ranks - 1) / ranks;
    const std::int64_t chunk = std::min(std::max<std::int64_t>(partition_.chunk_sequences, 1), most);
    return cost::drop_streams_size(config_, chunk * spec_.calibration.length).bytes(values_);
  }
  std::int64_t refit_bytes() const {
    const std::int64_t width = kept_features();
    const std::int64_t square = width * width;
    const std::int64_t side = width * config_.hidden_size;
    return 2 * cost::refit_sum_sizes(width, config_.hidden_size, micro_batch_tokens()).bytes(values_) +
           8 * (3 * square + 4 * side);
  }
  std::int64_t starting_layer_bytes() const {
    if (on_gpu()) {
      return 0;  // they wait in the host's memory
    }
    return 4 * kept(owned_parameters_) + 8 * owned_layers_ * config_.hidden_size * config_.hidden_size;
  }
  std::int64_t kept(std::int64_t dense) const { return kept_of(spec_, dense); }
  /// The widest sub-block that is kept: heads may stay whole while FFNs shrink, and where layers may differ, one of them
  /// may keep everything.
  std::int64_t kept_features() const {
    return widths_are_shared(spec_.export_settings.format) ? std::max(kept(widths_.ffn), widths_.heads)
                                                           : widths_.features;
  }
  std::int64_t kept_layer_parameters() const {
    return widths_are_shared(spec_.export_settings.format) ? kept(widths_.layer_parameters)
                                                           : widths_.layer_parameters;
  }

  const JobSpec& spec_;
  const ModelConfig& config_;
  const CheckpointSize& size_;
  const Partition& partition_;
  std::int64_t rank_;
  Widths widths_;
  cost::ValueBytes values_;
  cost::CalibrateSizes calibrate_;
  cost::EncodeSizes encode_;
  std::int64_t owned_sums_ = 0, owned_layers_ = 0, owned_parameters_ = 0;
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
