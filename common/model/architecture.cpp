#include "common/model/architecture.h"

#include <array>

#include "common/base/error.h"
#include "common/model/families/family.h"

namespace cce {
namespace {

/// A tensor outside the layers.
struct EndTensor {
  TensorRole role;
  const char* name;    // of the role
  const char* tensor;  // in the checkpoint
};

constexpr std::array<EndTensor, 3> end_tensors = {{
    {TensorRole::embedding, "embedding", "model.embed_tokens.weight"},
    {TensorRole::final_norm, "final_norm", "model.norm.weight"},
    {TensorRole::head, "head", "lm_head.weight"},
}};

/// nullptr for the parts of a layer.
const EndTensor* end_tensor(TensorRole role) {
  for (const EndTensor& row : end_tensors) {
    if (row.role == role) {
      return &row;
    }
  }
  return nullptr;
}

[[noreturn]] void refuse(TensorRole role, std::int64_t layer) {
  throw Error{.code = ErrorCode::invalid_argument,
              .where = "layer " + std::to_string(layer),
              .found = role_name(role),
              .expected = "a tensor that the model has",
              .remedy = "Report this: it is a bug."};
}

}  // namespace

std::string role_name(TensorRole role) {
  const EndTensor* end = end_tensor(role);
  return end != nullptr ? end->name : std::string(layer_part(role).name);
}

std::string tensor_name(TensorRole role, std::int64_t layer) {
  const EndTensor* end = end_tensor(role);
  return end != nullptr
             ? end->tensor
             : "model.layers." + std::to_string(layer) + "." + std::string(layer_part(role).tensor);
}

std::string tensor_name(const ModelConfig& config, TensorRole role, std::int64_t layer) {
  for (const PartName& part : config.family->part_names) {
    if (part.role == role) {
      return "model.layers." + std::to_string(layer) + "." + std::string(part.tensor);
    }
  }
  return tensor_name(role, layer);
}

bool has_tensor(const ModelConfig& config, TensorRole role, std::int64_t layer) {
  if (end_tensor(role) != nullptr) {
    return role != TensorRole::head || !config.tied_embeddings;
  }
  const auto layers = static_cast<std::int64_t>(config.layers.size());
  return layer >= 0 && layer < layers &&
         has_part(config.layers[static_cast<std::size_t>(layer)], layer_part(role));
}

std::vector<std::int64_t> tensor_shape(const ModelConfig& config, TensorRole role, std::int64_t layer) {
  if (!has_tensor(config, role, layer)) {
    refuse(role, layer);
  }
  if (role == TensorRole::embedding || role == TensorRole::head) {
    return {config.vocabulary_size, config.hidden_size};
  }
  if (role == TensorRole::final_norm) {
    return {config.hidden_size};
  }
  const PartSize size =
      part_size(config.layers[static_cast<std::size_t>(layer)], config.hidden_size, layer_part(role));
  return size.is_matrix ? std::vector{size.rows, size.cols} : std::vector{size.cols};
}

std::vector<TensorSpec> layer_tensors(const ModelConfig& config, std::int64_t layer) {
  std::vector<TensorSpec> tensors;
  for (const LayerPart& part : layer_parts()) {
    if (has_tensor(config, part.role, layer)) {
      tensors.push_back({.role = part.role,
                         .layer = layer,
                         .name = tensor_name(config, part.role, layer),
                         .shape = tensor_shape(config, part.role, layer)});
    }
  }
  return tensors;
}

std::vector<TensorSpec> all_tensors(const ModelConfig& config) {
  const auto outside = [&config](TensorRole role) {
    return TensorSpec{
        .role = role, .layer = -1, .name = tensor_name(role, -1), .shape = tensor_shape(config, role, -1)};
  };
  std::vector<TensorSpec> tensors = {outside(TensorRole::embedding)};
  for (std::size_t layer = 0; layer < config.layers.size(); ++layer) {
    const std::vector<TensorSpec> of_layer = layer_tensors(config, static_cast<std::int64_t>(layer));
    tensors.insert(tensors.end(), of_layer.begin(), of_layer.end());
  }
  tensors.push_back(outside(TensorRole::final_norm));
  if (!config.tied_embeddings) {
    tensors.push_back(outside(TensorRole::head));
  }
  return tensors;
}

bool is_ignorable_tensor(const std::string& name) {
  return name.ends_with(".rotary_emb.inv_freq");
}

}  // namespace cce
