#include "worker/stages/finetune/nuclear.h"

#include <array>
#include <span>

#include "worker/numeric/nuclear_ratio.h"
#include "worker/numeric/polar.h"
#include "worker/passes/layer_store.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

std::filesystem::path factor_file(const std::filesystem::path& folder, std::size_t layer) {
  return folder / (layer_state_name("polar", static_cast<std::int64_t>(layer)) + ".f32");
}

}  // namespace

NuclearTerm::NuclearTerm(StageContext& context, const ModelConfig& student)
    : context_(context), hidden_(student.hidden_size), factors_(student.layers.size()) {
  for (std::size_t layer = 0; layer < factors_.size(); ++layer) {
    if (context.owns(static_cast<std::int64_t>(layer))) {
      factors_[layer].emplace(context.backend, student.layers[layer], hidden_);
    }
  }
}

void NuclearTerm::refresh(LayerNumbers& factors, const LayerWeights& weights) {
  LayerWeightsMutable parts = factors.parts();
  const PolarOptions options{.product_dtype = context_.compute_dtype};
  for (const TensorRole role : layer_roles()) {
    if (part_size(weights.shape, hidden_, role).is_matrix) {
      const PolarFactor polar = polar_factor(context_.backend, part_view(weights, role), options);
      ops::convert(context_.backend, polar.factor.view(), part_view(parts, role));
    }
  }
}

double NuclearTerm::add(std::int64_t step, const StudentWeights& student, StudentGradients& gradients) {
  std::array<double, 1> sum{0.0};
  for (std::size_t layer = 0; layer < factors_.size(); ++layer) {
    if (!factors_[layer]) {
      continue;
    }
    const auto index = static_cast<std::int64_t>(layer);
    const LayerWeights weights = student.master(index);
    if (step % refresh_steps == 0) {
      refresh(*factors_[layer], weights);
    }
    const LayerWeights factors = factors_[layer]->weights();
    LayerWeightsMutable gradient = gradients.parts(index);
    for (const TensorRole role : layer_roles()) {
      if (part_size(weights.shape, hidden_, role).is_matrix) {
        sum[0] += add_nuclear_ratio(context_.backend, part_view(weights, role), part_view(factors, role),
                                    context_.spec.finetune.gamma, part_view(gradient, role))
                      .ratio;
      }
    }
  }
  context_.communicator.all_reduce_sum(std::span<double>(sum));
  return sum[0];
}

void NuclearTerm::save(const std::filesystem::path& folder) {
  for (std::size_t layer = 0; layer < factors_.size(); ++layer) {
    if (factors_[layer]) {
      write_numbers(context_.files, context_.backend, factor_file(folder, layer), {factors_[layer]->row()});
    }
  }
}

void NuclearTerm::load(const std::filesystem::path& folder) {
  for (std::size_t layer = 0; layer < factors_.size(); ++layer) {
    if (factors_[layer]) {
      read_numbers(context_.files, context_.backend, factor_file(folder, layer), {factors_[layer]->row()});
    }
  }
}

}  // namespace cce
