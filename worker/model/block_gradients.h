#pragma once
#include <cstdint>
#include <span>

#include "worker/model/host_layer.h"
#include "worker/model/layer_weights.h"
#include "worker/tensor/backend.h"
#include "worker/tensor/ops/training/training_ops.h"

namespace cce {

/// f32 numbers shaped as one layer's parameters, in one block laid out as a packed f32 layer: gradients as
/// BlockRunner::layer_gradients adds them up, fp32 master weights, or an optimiser's moments. The block can
/// be sent, reduced and stored whole; the gaps between its parts are zero. Owns the block; one thread at a
/// time.
class LayerNumbers {
 public:
  /// Empty until the first `reset`.
  explicit LayerNumbers(Backend& backend) : backend_(&backend) {}
  /// Zeros for a layer of this shape.
  LayerNumbers(Backend& backend, const LayerShape& shape, std::int64_t hidden_size) : LayerNumbers(backend) {
    reset(shape, hidden_size);
  }

  /// Becomes zeros for a layer of this shape. Memory is kept and grows to the largest layer seen: one object
  /// serves all layers of a backward sweep.
  void reset(const LayerShape& shape, std::int64_t hidden_size);
  /// Becomes a copy of these weights (f32 or bf16, in the backend's memory), e.g. masters at the start.
  void assign(const LayerWeights& weights, std::int64_t hidden_size);
  void assign(const HostLayer& weights, std::int64_t hidden_size);

  const LayerWeightsMutable& parts() const { return parts_; }
  LayerWeights weights() const;  ///< the same parts, to be read: f32 weights to compute with
  /// All numbers as a row: what a rank reduces to the layer's owner, stores, or takes the norm of.
  Matrix row();
  ConstMatrix row() const;

 private:
  Backend* backend_;
  OwnedMatrix memory_;
  std::int64_t count_ = 0;
  LayerWeightsMutable parts_;
};

/// AdamW's two moments of a layer's parameters: 8 bytes a parameter.
struct LayerMoments {
  LayerNumbers m, v;

  explicit LayerMoments(Backend& backend) : m(backend), v(backend) {}
  /// Zeros for a layer of this shape.
  LayerMoments(Backend& backend, const LayerShape& shape, std::int64_t hidden_size)
      : m(backend, shape, hidden_size), v(backend, shape, hidden_size) {}
};

/// One AdamW step of a layer: every part of `master` (f32) moves by its gradient, and `packed` (a packed
/// layer of the same shape in compute_dtype, in the backend's memory) gets the new weights. Weight decay acts
/// on matrices alone, not on norm gains and biases. Errors: shape_mismatch, out_of_range (settings).
void step_layer(Backend& backend, const AdamWStep& step, const LayerNumbers& gradients, LayerNumbers& master,
                LayerMoments& moments, DType compute_dtype, std::span<std::byte> packed);

}  // namespace cce
