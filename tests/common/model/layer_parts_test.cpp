#include "common/model/layer_parts.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/common/error_matcher.h"

namespace cce {
namespace {

LayerShape everything() {
  LayerShape shape;
  shape.kv_groups = 2;
  shape.queries_per_group = 3;
  shape.qk_dim = 4;
  shape.vo_dim = 5;
  shape.ffn_width = 7;
  for (const LayerPart& part : layer_parts()) {
    if (part.is_there != nullptr) {
      shape.*part.is_there = true;
    }
  }
  return shape;
}

TEST(LayerPartsTest, are_known_by_one_name_and_one_tensor_each) {
  std::set<std::string_view> names, tensors;
  for (const LayerPart& part : layer_parts()) {
    EXPECT_TRUE(names.insert(part.name).second) << part.name;
    EXPECT_TRUE(tensors.insert(part.tensor).second) << part.tensor;
    EXPECT_EQ(&layer_part(part.role), &part);
  }
  expect_error([] { layer_part(TensorRole::head); }, ErrorCode::invalid_argument, "outside the layers");
}

struct SizeRow {
  TensorRole role;
  std::int64_t rows, cols;
  bool is_matrix;
};

LayerShape nothing() {
  LayerShape shape;
  shape.has_attention = shape.has_ffn = shape.attention_norm = shape.ffn_norm = false;
  return shape;
}

TEST(LayerPartsTest, sizes) {
  const SizeRow rows[] = {{TensorRole::attention_norm, 1, 10, false},
                          {TensorRole::q, 24, 10, true},
                          {TensorRole::k, 8, 10, true},
                          {TensorRole::v, 10, 10, true},
                          {TensorRole::o, 10, 30, true},
                          {TensorRole::q_bias, 1, 24, false},
                          {TensorRole::k_bias, 1, 8, false},
                          {TensorRole::v_bias, 1, 10, false},
                          {TensorRole::o_bias, 1, 10, false},
                          {TensorRole::q_norm, 1, 4, false},
                          {TensorRole::k_norm, 1, 4, false},
                          {TensorRole::attention_output_norm, 1, 10, false},
                          {TensorRole::ffn_norm, 1, 10, false},
                          {TensorRole::gate, 7, 10, true},
                          {TensorRole::up, 7, 10, true},
                          {TensorRole::down, 10, 7, true},
                          {TensorRole::gate_bias, 1, 7, false},
                          {TensorRole::up_bias, 1, 7, false},
                          {TensorRole::down_bias, 1, 10, false},
                          {TensorRole::ffn_output_norm, 1, 10, false}};
  EXPECT_EQ(std::size(rows), layer_parts().size());
  for (const SizeRow& row : rows) {
    EXPECT_EQ(part_size(everything(), 10, row.role), (PartSize{row.rows, row.cols, row.is_matrix}))
        << layer_part(row.role).name;
    EXPECT_TRUE(part_size(nothing(), 10, row.role).empty());
  }
}

TEST(LayerPartsTest, norms_over_all_heads_are_as_long_as_these) {
  LayerShape shape = everything();
  shape.norms_span_heads = true;
  EXPECT_EQ(part_size(shape, 10, TensorRole::q_norm).cols, 24);
  EXPECT_EQ(part_size(shape, 10, TensorRole::k_norm).cols, 8);
}

TEST(LayerPartsTest, parameters_are_matrices_and_biases_without_gains) {
  const std::int64_t matrices = (24 + 8 + 10 + 30) * 10 + 3 * 7 * 10;
  EXPECT_EQ(matrix_parameters(everything(), 10), matrices);
  EXPECT_EQ(layer_parameters(everything(), 10), matrices + 24 + 8 + 10 + 10 + 7 + 7 + 10);
}

TEST(LayerPartsTest, a_removed_sub_block_leaves_nothing) {
  LayerShape shape = everything();
  remove_sub_block(shape, SubBlock::attention);
  remove_sub_block(shape, SubBlock::ffn);
  EXPECT_EQ(shape, nothing());
}

}  // namespace
}  // namespace cce
