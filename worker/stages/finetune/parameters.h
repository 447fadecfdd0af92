#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "worker/model/block_gradients.h"
#include "worker/model/host_layer.h"
#include "worker/passes/layer_stream.h"
#include "worker/passes/stage_context.h"
#include "worker/tensor/ops/training/training_ops.h"

namespace cce {

/// The student's weights while they are trained. A layer's f32 master, its gradient, both of AdamW's moments
/// and its copy in the compute dtype live at its owner alone, 4 × 4 bytes and one compute value a parameter;
/// as a LayerSource it sends the copies. The final norm's gain is small: every rank has it and steps it
/// alike. One thread; the verbs marked collective are called by every rank in the same order.
class TrainedParameters : public LayerSource {
 public:
  /// Masters 0 and moments 0. Both must outlive it. Errors: does_not_fit.
  TrainedParameters(StageContext& context, const ModelConfig& student);

  // ---- weights
  /// On the layer's owner.
  void set_layer(std::int64_t layer, const HostLayer& weights);
  HostLayer layer(std::int64_t layer) const;
  void set_final_norm(const HostMatrix& gain);
  std::int64_t hidden_size() const { return student_.hidden_size; }
  ConstMatrix final_norm() const { return final_norm_.master.view(); }
  std::size_t packed_bytes(std::int64_t layer) const override;
  /// The copy in the compute dtype. On the layer's owner.
  void pack(std::int64_t layer, std::span<std::byte> destination) override;
  LayerWeights view(std::int64_t layer, std::span<const std::byte> packed) const;
  /// The f32 master, on the layer's owner.
  LayerWeights master(std::int64_t layer) const;

  // ---- gradients
  /// Zeros, f32, to be added to: the owner's own, elsewhere memory that the next layer takes over.
  const LayerWeightsMutable& start_gradient(std::int64_t layer);
  /// Collective: the sum over ranks in rank order, at the owner.
  void reduce_gradient(std::int64_t layer);
  /// The reduced gradient, on the layer's owner.
  const LayerWeightsMutable& gradient(std::int64_t layer) { return owned(layer).gradient.parts(); }
  Matrix start_final_norm_gradient();
  ConstMatrix final_norm_gradient() const { return final_norm_.gradient.view(); }
  void reduce_final_norm_gradient();  ///< collective; the same sum everywhere
  /// Collective: √ of the sum of squares over everything that is trained.
  double gradient_norm();

  // ---- the optimiser
  /// Owners step their layers, every rank the final norm. Weights decay where they are matrices. Not
  /// collective.
  void step(const AdamWStep& settings);

  // ---- checkpoints
  /// This rank's masters and moments into a folder, synced. Errors: disk_full, io_failure.
  void save(const std::filesystem::path& folder);
  /// The same back, to the same bits. Errors: missing_file, malformed_file.
  void load(const std::filesystem::path& folder);
  /// The masters alone, a third of it.
  void save_weights(const std::filesystem::path& folder);
  void load_weights(const std::filesystem::path& folder);

 private:
  struct Owned {
    TrainedLayer state;
    LayerNumbers gradient;
    Buffer copy;  ///< a packed layer in the compute dtype
  };
  struct FinalNorm {
    OwnedMatrix master, gradient, m, v;  ///< 1 × d, f32
  };
  const LayerShape& shape(std::int64_t layer) const;
  const Owned& owned(std::int64_t layer) const;
  Owned& owned(std::int64_t layer);
  std::span<std::byte> copy_of(std::int64_t layer);
  void refresh_copy(std::int64_t layer);

  StageContext& context_;
  const ModelConfig& student_;
  std::vector<std::optional<Owned>> layers_;  ///< of owned layers
  FinalNorm final_norm_;
  LayerNumbers visiting_;  ///< the gradient of a layer that another rank owns
};

}  // namespace cce
