#include "common/model/architecture.h"

#include <gtest/gtest.h>

#include <map>

#include "common/base/file.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

ModelConfig model() {
  ModelConfig config;
  config.hidden_size = 12;
  config.vocabulary_size = 50;
  config.head_dim = 4;
  LayerShape shape;
  shape.kv_groups = 2;
  shape.queries_per_group = 3;
  shape.qk_dim = 4;
  shape.vo_dim = 2;
  shape.ffn_width = 20;
  shape.q_bias = shape.down_bias = true;
  config.layers = {shape, shape};
  config.layers[1].has_attention = false;
  return config;
}

TEST(ArchitectureTest, names_and_shapes) {
  std::map<std::string, std::vector<std::int64_t>> found;
  for (const TensorSpec& tensor : all_tensors(model())) {
    found[tensor.name] = tensor.shape;
  }
  const std::map<std::string, std::vector<std::int64_t>> expected = {
      {"model.embed_tokens.weight", {50, 12}},
      {"model.layers.0.input_layernorm.weight", {12}},
      {"model.layers.0.self_attn.q_proj.weight", {24, 12}},
      {"model.layers.0.self_attn.k_proj.weight", {8, 12}},
      {"model.layers.0.self_attn.v_proj.weight", {4, 12}},
      {"model.layers.0.self_attn.o_proj.weight", {12, 12}},
      {"model.layers.0.self_attn.q_proj.bias", {24}},
      {"model.layers.0.post_attention_layernorm.weight", {12}},
      {"model.layers.0.mlp.gate_proj.weight", {20, 12}},
      {"model.layers.0.mlp.up_proj.weight", {20, 12}},
      {"model.layers.0.mlp.down_proj.weight", {12, 20}},
      {"model.layers.0.mlp.down_proj.bias", {12}},
      {"model.layers.1.post_attention_layernorm.weight", {12}},
      {"model.layers.1.mlp.gate_proj.weight", {20, 12}},
      {"model.layers.1.mlp.up_proj.weight", {20, 12}},
      {"model.layers.1.mlp.down_proj.weight", {12, 20}},
      {"model.layers.1.mlp.down_proj.bias", {12}},
      {"model.norm.weight", {12}},
      {"lm_head.weight", {50, 12}}};
  EXPECT_EQ(found, expected);
}

TEST(ArchitectureTest, tied_models_have_no_head) {
  ModelConfig config = model();
  config.tied_embeddings = true;
  EXPECT_FALSE(has_tensor(config, TensorRole::head, -1));
  EXPECT_FALSE(is_ignorable_tensor("lm_head.weight"));
  EXPECT_TRUE(is_ignorable_tensor("model.layers.0.self_attn.rotary_emb.inv_freq"));
  expect_error([&] { tensor_shape(config, TensorRole::head, -1); }, ErrorCode::invalid_argument, "head");
  expect_error([&] { tensor_shape(config, TensorRole::q, 2); }, ErrorCode::invalid_argument, "layer 2");
}

TEST(ArchitectureTest, parameters_are_the_tensors_without_norms) {
  std::int64_t counted = 0;
  for (const TensorSpec& tensor : all_tensors(model())) {
    const bool is_norm = tensor.name.ends_with("norm.weight");
    std::int64_t elements = is_norm ? 0 : 1;
    for (const std::int64_t dimension : tensor.shape) {
      elements *= dimension;
    }
    counted += elements;
  }
  EXPECT_EQ(total_parameters(model()), counted);
}

}  // namespace
}  // namespace cce
