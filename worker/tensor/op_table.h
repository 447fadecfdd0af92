#pragma once

namespace cce {

struct ProductOps;
struct RowOps;
struct SelectionOps;
struct BlockOps;
struct AttentionOps;
struct OutputOps;
struct TrainingOps;
struct SolverOps;

/// How one kind of backend computes the operations of ops/GROUP/GROUP_ops.h. Each entry is given checked operands and
/// a backend of that kind. The tables are constants.
struct OpTable {
  const ProductOps* products;
  const RowOps* rows;
  const SelectionOps* selections;
  const BlockOps* blocks;
  const AttentionOps* attention;
  const OutputOps* output;
  const TrainingOps* training;
  const SolverOps* solvers;
};

}  // namespace cce
