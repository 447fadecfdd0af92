#include "worker/stages/finetune/weights.h"

#include <string>

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

StudentWeights::StudentWeights(StageContext& context, const ModelConfig& student)
    : context_(context), student_(student), layers_(student.layers.size()) {
  for (std::size_t index = 0; index < layers_.size(); ++index) {
    const auto layer = static_cast<std::int64_t>(index);
    if (context.owns(layer)) {
      layers_[index].emplace(Owned{LayerNumbers(context.backend, shape(layer), student.hidden_size),
                                   context.backend.allocate(packed_bytes(layer))});
    }
  }
  final_norm_ = context.backend.zeros(DType::f32, 1, student.hidden_size);
}

const LayerShape& StudentWeights::shape(std::int64_t layer) const {
  return student_.layers[static_cast<std::size_t>(layer)];
}

std::size_t StudentWeights::packed_bytes(std::int64_t layer) const {
  return packed_layer_bytes(shape(layer), student_.hidden_size, context_.compute_dtype);
}

const StudentWeights::Owned& StudentWeights::owned(std::int64_t layer) const {
  const std::optional<Owned>& found = layers_[static_cast<std::size_t>(layer)];
  if (!found) {
    refuse_foreign(layer);
  }
  return *found;
}

StudentWeights::Owned& StudentWeights::owned(std::int64_t layer) {
  std::optional<Owned>& found = layers_[static_cast<std::size_t>(layer)];
  if (!found) {
    refuse_foreign(layer);
  }
  return *found;
}

std::span<std::byte> StudentWeights::copy_of(std::int64_t layer) {
  return {static_cast<std::byte*>(owned(layer).copy.data()), packed_bytes(layer)};
}

void StudentWeights::set_layer(std::int64_t layer, const HostLayer& weights) {
  owned(layer).master.assign(weights, student_.hidden_size);
  refresh_copy(layer);
}

void StudentWeights::refresh_copy(std::int64_t layer) {
  const LayerWeights from = master(layer);
  LayerWeightsMutable to =
      writable_packed_layer(shape(layer), student_.hidden_size, context_.compute_dtype, copy_of(layer));
  for (const TensorRole role : layer_roles()) {
    if (const Matrix& target = part_view(to, role); !target.empty()) {
      ops::convert(context_.backend, part_view(from, role), target);
    }
  }
}

LayerWeights StudentWeights::master(std::int64_t layer) const {
  return owned(layer).master.weights();
}

HostLayer StudentWeights::layer(std::int64_t layer) const {
  return to_host_layer(context_.backend, master(layer));
}

void StudentWeights::set_final_norm(const HostMatrix& gain) {
  context_.backend.upload(gain.view(), final_norm_.view());
}

void StudentWeights::pack(std::int64_t layer, std::span<std::byte> destination) {
  download_bytes(context_.backend, copy_of(layer), destination);
}

StudentWeights::Trained StudentWeights::trained(std::int64_t layer) {
  return {owned(layer).master, copy_of(layer)};
}

void StudentWeights::save(const std::filesystem::path& folder) const {
  for (std::int64_t layer = 0; layer < context_.layers(); ++layer) {
    if (context_.owns(layer)) {
      write_numbers(context_.files, context_.backend, layer_file(folder, layer), {owned(layer).master.row()});
    }
  }
  write_numbers(context_.files, context_.backend, folder / final_norm_file, {final_norm_.view()});
}

void StudentWeights::load(const std::filesystem::path& folder) {
  for (std::int64_t layer = 0; layer < context_.layers(); ++layer) {
    if (context_.owns(layer)) {
      read_numbers(context_.files, context_.backend, layer_file(folder, layer), {owned(layer).master.row()});
      refresh_copy(layer);
    }
  }
  read_numbers(context_.files, context_.backend, folder / final_norm_file, {final_norm_.view()});
}

}  // namespace cce
