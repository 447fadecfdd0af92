#include "common/cost/training_memory.h"

#include <algorithm>

#include "common/cost/kept_share.h"
#include "common/cost/sizes.h"
#include "common/cost/stage_sizes.h"

namespace cce {
namespace {

using cost::huge_page_bytes;
using cost::similarity_windows;
using cost::sketch_width;

/// One layer as it is trained.
struct Trained {
  std::int64_t parameters = 0;
  std::int64_t heads = 0;  ///< width of the head outputs; 0 without attention
  std::int64_t ffn = 0;
  std::int64_t widest_side = 0;  ///< of its matrices, besides the hidden size
};

Trained trained_layer(const JobSpec& spec, const LayerShape& shape, std::int64_t hidden) {
  Trained layer;
  layer.parameters = kept_of(spec, layer_parameters(shape, hidden));
  if (shape.has_attention) {
    layer.heads = kept_of(spec, cost::head_output_width(shape));
    layer.widest_side = std::max(layer.heads, kept_of(spec, shape.query_heads() * shape.qk_dim));
  }
  layer.ffn = kept_of(spec, cost::ffn_width(shape));
  layer.widest_side = std::max(layer.widest_side, layer.ffn);
  return layer;
}

class TrainingMemory {
 public:
  TrainingMemory(const JobSpec& spec, const ModelConfig& config, const CheckpointSize& size,
                 const Partition& partition, std::int64_t rank)
      : spec_(spec),
        finetune_(spec.finetune),
        config_(config),
        size_(size),
        partition_(partition),
        on_gpu_(spec.resources.device == "cuda"),
        hidden_(config.hidden_size),
        length_(spec.calibration.length),
        value_(size.compute_value_bytes) {
    const std::int64_t batch = std::max<std::int64_t>(1, finetune_.batch_tokens / length_);
    tokens_ = (batch + partition.ranks() - 1) / partition.ranks() * length_;
    for (std::size_t index = 0; index < config.layers.size(); ++index) {
      const Trained layer = trained_layer(spec, config.layers[index], hidden_);
      widest_.parameters = std::max(widest_.parameters, layer.parameters);
      widest_.heads = std::max(widest_.heads, layer.heads);
      widest_.ffn = std::max(widest_.ffn, layer.ffn);
      widest_.widest_side = std::max(widest_.widest_side, layer.widest_side);
      if (partition.owner[index] == rank) {
        owned_.push_back(layer);
      }
    }
  }

  std::vector<MemoryTerm> terms() {
    add("weights, moments and gradients of owned layers", owned_sum([this](const Trained& layer) {
          return 4 * held(4 * layer.parameters) + held(value_ * layer.parameters);
        }));
    add("gradient of a visiting layer", partition_.ranks() > 1 ? held(4 * widest_.parameters) : 0);
    add("boundaries of a step", boundary_bytes());
    add("gradients of L_rec", recovery_bytes());
    if (finetune_.alpha > 0.0 || finetune_.kl > 0.0) {
      add("teacher's stream and layers", held(cost::stream_size(tokens_, hidden_)) + teacher_layer_bytes());
      add("teacher's embedding and head", outer_bytes());
      add("teacher's mapped checkpoint", on_gpu_ ? 0 : size_.teacher_bytes);
    }
    add("output layer", length_ * hidden_ * (2 * value_ + 4));
    if (finetune_.gamma > 0.0) {
      add("polar factors of L_reg",
          owned_sum([this](const Trained& layer) { return held(4 * layer.parameters); }));
    }
    if (finetune_.beta > 0.0) {
      add("covariances of L_sim", owned_sum([this](const Trained& layer) {
            return covariance_bytes(layer.heads) + covariance_bytes(layer.ffn);
          }));
      add("sketch of L_sim", sketched() ? hidden_ * sketch_width * (2 * 8 + 2 * 4) : 0);
    }
    add("work of L_reg and L_sim", work_bytes());
    if (!finetune_.validation.empty()) {
      add("validation", outer_bytes() + partition_.chunk_sequences * length_ * hidden_ * 4);
    }
    return std::move(terms_);
  }

 private:
  void add(const char* name, std::int64_t bytes) { terms_.push_back({.name = name, .bytes = bytes}); }

  /// Bytes that the backend allocates for a matrix of `bytes`.
  std::int64_t held(std::int64_t bytes) const {
    const bool in_huge_pages = !on_gpu_ && bytes >= 2 * huge_page_bytes;
    return in_huge_pages ? (bytes + huge_page_bytes - 1) / huge_page_bytes * huge_page_bytes : bytes;
  }
  template <typename Bytes>
  std::int64_t owned_sum(const Bytes& bytes) const {
    std::int64_t sum = 0;
    for (const Trained& layer : owned_) {
      sum += bytes(layer);
    }
    return sum;
  }

  std::int64_t layers() const { return static_cast<std::int64_t>(config_.layers.size()); }
  /// Of all of its matrices.
  std::int64_t held(const cost::MatrixSize& size) const {
    return size.count * held(size.bytes_of_one({.compute = value_}));
  }
  cost::TrainingSizes sizes() const {
    return cost::training_sizes(config_, tokens_, partition_.micro_batch_sequences * length_,
                                finetune_.alpha > 0.0);
  }
  std::int64_t boundary_bytes() const { return held(sizes().boundaries) + held(sizes().gradient); }
  std::int64_t recovery_bytes() const { return held(sizes().recovery); }
  std::int64_t outer_bytes() const {
    return (config_.tied_embeddings ? 1 : 2) * held(config_.vocabulary_size * hidden_ * value_);
  }
  /// Another teacher may be wider than what is trained; the model itself has its width before encode.
  std::int64_t teacher_layer_bytes() const {
    std::int64_t parameters = size_.teacher_layer_parameters;
    for (const LayerShape& shape : config_.layers) {
      parameters = std::max(parameters, layer_parameters(shape, hidden_));
    }
    return 2 * held(parameters * value_);
  }

  bool sketched() const { return hidden_ > sketch_width; }
  std::int64_t signature_size() const {
    const std::int64_t width = cost::signature_width(hidden_);
    return width * width;
  }
  std::int64_t covariance_bytes(std::int64_t width) const {
    return held(4 * width * width) + held(4 * width * (sketched() ? 2 * sketch_width : hidden_));
  }

  std::int64_t work_bytes() const {
    std::int64_t work = finetune_.gamma > 0.0 ? polar_bytes() : 0;
    if (finetune_.beta > 0.0) {
      work = std::max({work, signature_bytes(), measuring_bytes()});
    }
    return work;
  }
  std::int64_t polar_bytes() const {
    const std::int64_t halves = value_ == 2 ? 8 : 4;
    const std::int64_t side = std::min(widest_.widest_side, hidden_);
    return widest_.widest_side * hidden_ * (4 + halves + 20) + side * side * (8 + halves + 24);
  }
  std::int64_t signature_bytes() const {
    const std::int64_t width = std::max({widest_.heads, widest_.ffn, hidden_});
    return 2 * held(8 * layers() * signature_size()) + 8 * sketch_width * width + 4 * signature_size();
  }
  std::int64_t measuring_bytes() const {
    const std::int64_t ranks = partition_.ranks();
    const std::int64_t tokens = (similarity_windows + ranks - 1) / ranks * length_;
    const std::int64_t width = std::max(widest_.heads, widest_.ffn);
    const std::int64_t sums =
        ((on_gpu_ ? 4 : 8) + 12) * width * width +
        cost::runner_bytes(config_, cost::Passage::forward, {.micro_batch = length_, .window = length_},
                           {.compute = value_});
    const std::int64_t embedding = held(config_.vocabulary_size * hidden_ * value_);
    const std::int64_t untouched = on_gpu_ ? 0 : boundary_bytes() + recovery_bytes();
    return std::max<std::int64_t>(0, held(tokens * hidden_ * 4) + std::max(embedding, sums) - untouched);
  }

  const JobSpec& spec_;
  const FinetuneSettings& finetune_;
  const ModelConfig& config_;
  const CheckpointSize& size_;
  const Partition& partition_;
  bool on_gpu_;
  std::int64_t hidden_, length_, value_;
  std::int64_t tokens_ = 0;  ///< of this rank in a step
  Trained widest_;
  std::vector<Trained> owned_;
  std::vector<MemoryTerm> terms_;
};

}  // namespace

std::vector<MemoryTerm> training_memory(const JobSpec& spec, const ModelConfig& config,
                                        const CheckpointSize& size, const Partition& partition,
                                        std::int64_t rank) {
  return TrainingMemory(spec, config, size, partition, rank).terms();
}

}  // namespace cce
