#include "worker/stages/finetune/parameters.h"

#include <array>
#include <cmath>
#include <cstring>
#include <string>

#include "worker/comm/device/device_exchange.h"
#include "worker/passes/layer_store.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr const char* final_norm_file = "final_norm.f32";

[[noreturn]] void refuse_foreign(std::int64_t layer) {
  throw Error{.code = ErrorCode::invalid_argument,
              .where = "trained layer " + std::to_string(layer),
              .found = "a rank that does not own it",
              .expected = "its owner",
              .remedy = "Report this: it is a bug"};
}

std::filesystem::path layer_file(const std::filesystem::path& folder, std::int64_t layer) {
  return folder / (layer_state_name("trained", layer) + ".f32");
}

}  // namespace

TrainedParameters::TrainedParameters(StageContext& context, const ModelConfig& student)
    : context_(context), student_(student), layers_(student.layers.size()), visiting_(context.backend) {
  Backend& backend = context.backend;
  const std::int64_t hidden = student.hidden_size;
  for (std::size_t index = 0; index < layers_.size(); ++index) {
    const auto layer = static_cast<std::int64_t>(index);
    if (context.owns(layer)) {
      layers_[index].emplace(Owned{TrainedLayer(backend), LayerNumbers(backend, shape(layer), hidden),
                                   backend.allocate(packed_bytes(layer))});
      TrainedLayer& state = layers_[index]->state;
      for (LayerNumbers* numbers : {&state.master, &state.m, &state.v}) {
        numbers->reset(shape(layer), hidden);
      }
    }
  }
  for (OwnedMatrix* vector : {&final_norm_.master, &final_norm_.gradient, &final_norm_.m, &final_norm_.v}) {
    *vector = backend.zeros(DType::f32, 1, hidden);
  }
}

const LayerShape& TrainedParameters::shape(std::int64_t layer) const {
  return student_.layers[static_cast<std::size_t>(layer)];
}

std::size_t TrainedParameters::packed_bytes(std::int64_t layer) const {
  return packed_layer_bytes(shape(layer), student_.hidden_size, context_.compute_dtype);
}

const TrainedParameters::Owned& TrainedParameters::owned(std::int64_t layer) const {
  const std::optional<Owned>& found = layers_[static_cast<std::size_t>(layer)];
  if (!found) {
    refuse_foreign(layer);
  }
  return *found;
}

TrainedParameters::Owned& TrainedParameters::owned(std::int64_t layer) {
  std::optional<Owned>& found = layers_[static_cast<std::size_t>(layer)];
  if (!found) {
    refuse_foreign(layer);
  }
  return *found;
}

std::span<std::byte> TrainedParameters::copy_of(std::int64_t layer) {
  return {static_cast<std::byte*>(owned(layer).copy.data()), packed_bytes(layer)};
}

// ---- weights

void TrainedParameters::set_layer(std::int64_t layer, const HostLayer& weights) {
  owned(layer).state.master.assign(weights, student_.hidden_size);
  refresh_copy(layer);
}

void TrainedParameters::refresh_copy(std::int64_t layer) {
  const LayerWeights from = owned(layer).state.master.weights();
  LayerWeightsMutable to =
      writable_packed_layer(shape(layer), student_.hidden_size, context_.compute_dtype, copy_of(layer));
  for (const TensorRole role : layer_roles()) {
    if (const Matrix& target = part_view(to, role); !target.empty()) {
      ops::convert(context_.backend, part_view(from, role), target);
    }
  }
}

LayerWeights TrainedParameters::master(std::int64_t layer) const {
  return owned(layer).state.master.weights();
}

HostLayer TrainedParameters::layer(std::int64_t layer) const {
  return to_host_layer(context_.backend, master(layer));
}

void TrainedParameters::set_final_norm(const HostMatrix& gain) {
  context_.backend.upload(gain.view(), final_norm_.master.view());
}

void TrainedParameters::pack(std::int64_t layer, std::span<std::byte> destination) {
  download_bytes(context_.backend, copy_of(layer), destination);
}

LayerWeights TrainedParameters::view(std::int64_t layer, std::span<const std::byte> packed) const {
  return view_packed_layer(shape(layer), student_.hidden_size, context_.compute_dtype, packed);
}

// ---- gradients

const LayerWeightsMutable& TrainedParameters::start_gradient(std::int64_t layer) {
  LayerNumbers& numbers = context_.owns(layer) ? owned(layer).gradient : visiting_;
  numbers.reset(shape(layer), student_.hidden_size);
  return numbers.parts();
}

void TrainedParameters::reduce_gradient(std::int64_t layer) {
  LayerNumbers& numbers = context_.owns(layer) ? owned(layer).gradient : visiting_;
  reduce_sum(context_.communicator, context_.backend, numbers.row(),
             context_.partition.owner[static_cast<std::size_t>(layer)]);
}

Matrix TrainedParameters::start_final_norm_gradient() {
  context_.backend.fill_zero(final_norm_.gradient.view());
  return final_norm_.gradient.view();
}

void TrainedParameters::reduce_final_norm_gradient() {
  all_reduce_sum(context_.communicator, context_.backend, final_norm_.gradient.view());
}

double TrainedParameters::gradient_norm() {
  Backend& backend = context_.backend;
  OwnedMatrix sum = backend.zeros(DType::f64, 1, 1);
  for (std::optional<Owned>& layer : layers_) {
    if (layer) {
      ops::add_inner_product(backend, layer->gradient.row(), layer->gradient.row(), sum.view());
    }
  }
  if (context_.rank() == 0) {
    ops::add_inner_product(backend, final_norm_.gradient.view(), final_norm_.gradient.view(), sum.view());
  }
  std::array<double, 1> total{0.0};
  backend.download(sum.view(), {total.data(), DType::f64, 1, 1, 1});
  context_.communicator.all_reduce_sum(std::span<double>(total));
  return std::sqrt(total[0]);
}

// ---- the optimiser

void TrainedParameters::step(const AdamWStep& settings) {
  for (std::int64_t layer = 0; layer < static_cast<std::int64_t>(layers_.size()); ++layer) {
    if (context_.owns(layer)) {
      Owned& mine = owned(layer);
      step_layer(context_.backend, settings, mine.gradient, mine.state, context_.compute_dtype,
                 copy_of(layer));
    }
  }
  AdamWStep undecayed = settings;
  undecayed.weight_decay = 0.0;
  ops::adamw(context_.backend, undecayed, final_norm_.gradient.view(), final_norm_.master.view(),
             final_norm_.m.view(), final_norm_.v.view(), {});
}

// ---- checkpoints

void TrainedParameters::save(const std::filesystem::path& folder) {
  for (std::int64_t layer = 0; layer < static_cast<std::int64_t>(layers_.size()); ++layer) {
    if (context_.owns(layer)) {
      TrainedLayer& state = owned(layer).state;
      write_numbers(context_.files, context_.backend, layer_file(folder, layer),
                    {state.master.row(), state.m.row(), state.v.row()});
    }
  }
  write_numbers(context_.files, context_.backend, folder / final_norm_file,
                {final_norm_.master.view(), final_norm_.m.view(), final_norm_.v.view()});
}

void TrainedParameters::load(const std::filesystem::path& folder) {
  for (std::int64_t layer = 0; layer < static_cast<std::int64_t>(layers_.size()); ++layer) {
    if (context_.owns(layer)) {
      TrainedLayer& state = owned(layer).state;
      read_numbers(context_.files, context_.backend, layer_file(folder, layer),
                   {state.master.row(), state.m.row(), state.v.row()});
      refresh_copy(layer);
    }
  }
  read_numbers(context_.files, context_.backend, folder / final_norm_file,
               {final_norm_.master.view(), final_norm_.m.view(), final_norm_.v.view()});
}

void TrainedParameters::save_weights(const std::filesystem::path& folder) {
  for (std::int64_t layer = 0; layer < static_cast<std::int64_t>(layers_.size()); ++layer) {
    if (context_.owns(layer)) {
      write_numbers(context_.files, context_.backend, layer_file(folder, layer),
                    {owned(layer).state.master.row()});
    }
  }
  write_numbers(context_.files, context_.backend, folder / final_norm_file, {final_norm_.master.view()});
}

void TrainedParameters::load_weights(const std::filesystem::path& folder) {
  for (std::int64_t layer = 0; layer < static_cast<std::int64_t>(layers_.size()); ++layer) {
    if (context_.owns(layer)) {
      read_numbers(context_.files, context_.backend, layer_file(folder, layer),
                   {owned(layer).state.master.row()});
      refresh_copy(layer);
    }
  }
  read_numbers(context_.files, context_.backend, folder / final_norm_file, {final_norm_.master.view()});
}

}  // namespace cce
