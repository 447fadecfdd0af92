#include "worker/stages/finetune/gradients.h"

#include <array>
#include <cmath>
#include <span>

#include "worker/comm/device/device_exchange.h"
#include "worker/tensor/ops.h"

namespace cce {

StudentGradients::StudentGradients(StageContext& context, const ModelConfig& student)
    : context_(context), student_(student), layers_(student.layers.size()), visiting_(context.backend) {
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    if (context.owns(static_cast<std::int64_t>(layer))) {
      layers_[layer].emplace(context.backend, student.layers[layer], student.hidden_size);
    }
  }
  final_norm_ = context.backend.zeros(DType::f32, 1, student.hidden_size);
}

LayerNumbers& StudentGradients::numbers(std::int64_t layer) {
  std::optional<LayerNumbers>& own = layers_[static_cast<std::size_t>(layer)];
  return own ? *own : visiting_;
}

const LayerWeightsMutable& StudentGradients::start(std::int64_t layer) {
  LayerNumbers& gradient = numbers(layer);
  gradient.reset(student_.layers[static_cast<std::size_t>(layer)], student_.hidden_size);
  return gradient.parts();
}

void StudentGradients::reduce(std::int64_t layer) {
  reduce_sum(context_.communicator, context_.backend, numbers(layer).row(),
             context_.partition.owner[static_cast<std::size_t>(layer)]);
}

Matrix StudentGradients::start_final_norm() {
  context_.backend.fill_zero(final_norm_.view());
  return final_norm_.view();
}

void StudentGradients::reduce_final_norm() {
  all_reduce_sum(context_.communicator, context_.backend, final_norm_.view());
}

double StudentGradients::norm() const {
  Backend& backend = context_.backend;
  OwnedMatrix sum = backend.zeros(DType::f64, 1, 1);
  for (const std::optional<LayerNumbers>& layer : layers_) {
    if (layer) {
      ops::add_inner_product(backend, layer->row(), layer->row(), sum.view());
    }
  }
  if (context_.rank() == 0) {  // every rank has the same one
    ops::add_inner_product(backend, final_norm_.view(), final_norm_.view(), sum.view());
  }
  std::array<double, 1> total{0.0};
  backend.download(sum.view(), {total.data(), DType::f64, 1, 1, 1});
  context_.communicator.all_reduce_sum(std::span<double>(total));
  return std::sqrt(total[0]);
}

}  // namespace cce
