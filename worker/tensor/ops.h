#pragma once
#include <type_traits>

#include "worker/tensor/ops/attention/attention_ops.h"
#include "worker/tensor/ops/blocks/block_ops.h"
#include "worker/tensor/ops/output/output_ops.h"
#include "worker/tensor/ops/products/product_ops.h"
#include "worker/tensor/ops/rows/row_ops.h"
#include "worker/tensor/ops/selections/selection_ops.h"
#include "worker/tensor/ops/solvers/solver_ops.h"
#include "worker/tensor/ops/training/training_ops.h"

/// Every operation of a backend, by group.
namespace cce {

/// The group of a table by its type: what wraps whole tables asks for it.
template <typename Group>
const Group& op_group(const OpTable& table) {
  if constexpr (std::is_same_v<Group, ProductOps>) {
    return *table.products;
  } else if constexpr (std::is_same_v<Group, RowOps>) {
    return *table.rows;
  } else if constexpr (std::is_same_v<Group, SelectionOps>) {
    return *table.selections;
  } else if constexpr (std::is_same_v<Group, BlockOps>) {
    return *table.blocks;
  } else if constexpr (std::is_same_v<Group, AttentionOps>) {
    return *table.attention;
  } else if constexpr (std::is_same_v<Group, OutputOps>) {
    return *table.output;
  } else if constexpr (std::is_same_v<Group, TrainingOps>) {
    return *table.training;
  } else {
    return *table.solvers;
  }
}

}  // namespace cce
