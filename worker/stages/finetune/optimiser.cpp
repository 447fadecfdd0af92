#include "worker/stages/finetune/optimiser.h"

#include "worker/passes/layer_store.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr const char* final_norm_file = "final_norm_moments.f32";

std::filesystem::path layer_file(const std::filesystem::path& folder, std::size_t layer) {
  return folder / (layer_state_name("moments", static_cast<std::int64_t>(layer)) + ".f32");
}

}  // namespace

Optimiser::Optimiser(StageContext& context, const ModelConfig& student)
    : context_(context), layers_(student.layers.size()) {
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    if (context.owns(static_cast<std::int64_t>(layer))) {
      layers_[layer].emplace(context.backend, student.layers[layer], student.hidden_size);
    }
  }
  final_norm_m_ = context.backend.zeros(DType::f32, 1, student.hidden_size);
  final_norm_v_ = context.backend.zeros(DType::f32, 1, student.hidden_size);
}

void Optimiser::step(const AdamWStep& settings, const StudentGradients& gradients, StudentWeights& weights) {
  for (std::size_t index = 0; index < layers_.size(); ++index) {
    if (layers_[index]) {
      const auto layer = static_cast<std::int64_t>(index);
      const StudentWeights::Trained trained = weights.trained(layer);
      step_layer(context_.backend, settings, gradients.of(layer), trained.master, *layers_[index],
                 context_.compute_dtype, trained.copy);
    }
  }
  AdamWStep undecayed = settings;
  undecayed.weight_decay = 0.0;
  ops::adamw(context_.backend, undecayed, gradients.final_norm(), weights.trained_final_norm(),
             final_norm_m_.view(), final_norm_v_.view(), {});
}

void Optimiser::save(const std::filesystem::path& folder) const {
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    if (layers_[layer]) {
      write_numbers(context_.files, context_.backend, layer_file(folder, layer),
                    {layers_[layer]->m.row(), layers_[layer]->v.row()});
    }
  }
  write_numbers(context_.files, context_.backend, folder / final_norm_file,
                {final_norm_m_.view(), final_norm_v_.view()});
}

void Optimiser::load(const std::filesystem::path& folder) {
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    if (layers_[layer]) {
      read_numbers(context_.files, context_.backend, layer_file(folder, layer),
                   {layers_[layer]->m.row(), layers_[layer]->v.row()});
    }
  }
  read_numbers(context_.files, context_.backend, folder / final_norm_file,
               {final_norm_m_.view(), final_norm_v_.view()});
}

}  // namespace cce
