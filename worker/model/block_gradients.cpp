#include "worker/model/block_gradients.h"

#include "worker/model/host_layer.h"
#include "worker/tensor/ops.h"

namespace cce {

void LayerNumbers::reset(const LayerShape& shape, std::int64_t hidden_size) {
  const std::size_t bytes = packed_layer_bytes(shape, hidden_size, DType::f32);
  count_ = static_cast<std::int64_t>(bytes / sizeof(float));
  if (memory_.bytes() < bytes) {
    memory_ = OwnedMatrix();  // freed first, so that old and new never live together
    memory_ = backend_->matrix(DType::f32, 1, count_);
  }
  backend_->fill_zero(row());
  parts_ = writable_packed_layer(shape, hidden_size, DType::f32, {memory_.as<std::byte>(), bytes});
}

void LayerNumbers::assign(const LayerWeights& weights, std::int64_t hidden_size) {
  reset(weights.shape, hidden_size);
  for (const TensorRole role : layer_roles()) {
    if (const ConstMatrix& part = part_view(weights, role); !part.empty()) {
      ops::convert(*backend_, part, part_view(parts_, role));
    }
  }
}

void LayerNumbers::assign(const HostLayer& weights, std::int64_t hidden_size) {
  reset(weights.shape, hidden_size);
  const LayerWeights host = view_host_layer(weights, hidden_size);
  for (const TensorRole role : layer_roles()) {
    if (const ConstMatrix& part = part_view(host, role); !part.empty()) {
      backend_->upload(part, part_view(parts_, role));
    }
  }
}

LayerWeights LayerNumbers::weights() const {
  LayerWeights result;
  result.shape = parts_.shape;
  LayerWeightsMutable parts = parts_;
  for (const TensorRole role : layer_roles()) part_view(result, role) = part_view(parts, role);
  return result;
}

Matrix LayerNumbers::row() {
  return {memory_.as<float>(), DType::f32, 1, count_, count_};
}

ConstMatrix LayerNumbers::row() const {
  return {memory_.as<float>(), DType::f32, 1, count_, count_};
}

void step_layer(Backend& backend, const AdamWStep& step, const LayerNumbers& gradients, LayerNumbers& master,
                LayerMoments& moments, DType compute_dtype, std::span<std::byte> packed) {
  const LayerWeights slopes = gradients.weights();
  const std::int64_t hidden_size = hidden_size_of(slopes);
  LayerWeightsMutable copy = writable_packed_layer(slopes.shape, hidden_size, compute_dtype, packed);
  LayerWeightsMutable to = master.parts(), m = moments.m.parts(), v = moments.v.parts();
  for (const TensorRole role : layer_roles()) {
    const ConstMatrix& slope = part_view(slopes, role);
    if (slope.empty()) continue;
    AdamWStep own = step;
    if (!part_size(slopes.shape, hidden_size, role).is_matrix) own.weight_decay = 0.0;
    ops::adamw(backend, own, slope, part_view(to, role), part_view(m, role), part_view(v, role),
               part_view(copy, role));
  }
}

}  // namespace cce
