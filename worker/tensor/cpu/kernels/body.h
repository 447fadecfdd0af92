#pragma once
#include "worker/tensor/cpu/kernels/table.h"
#include "worker/tensor/ops/attention/attention_kernels.h"
#include "worker/tensor/ops/blocks/block_kernels.h"
#include "worker/tensor/ops/output/divergence_kernels.h"
#include "worker/tensor/ops/products/product_kernels.h"
#include "worker/tensor/ops/rows/row_kernels.h"
#include "worker/tensor/ops/training/training_kernels.h"

/// Gathers the kernels into a table. Each file that includes this is compiled for one instruction set.
namespace cce {
namespace {

constexpr CpuKernels make_kernels(const char* instruction_set) {
  return {.instruction_set = instruction_set,
          .rows = make_row_kernels(),
          .blocks = make_block_kernels(),
          .attention = make_attention_kernels(),
          .products = make_product_kernels(),
          .output = make_output_kernels(),
          .training = make_training_kernels()};
}

}  // namespace
}  // namespace cce
