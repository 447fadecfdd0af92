#pragma once
#include "worker/tensor/ops/attention/attention_kernel_table.h"
#include "worker/tensor/ops/blocks/block_kernel_table.h"
#include "worker/tensor/ops/output/output_kernel_table.h"
#include "worker/tensor/ops/products/product_kernel_table.h"
#include "worker/tensor/ops/rows/row_kernel_table.h"
#include "worker/tensor/ops/training/training_kernel_table.h"

namespace cce {

/// The inner loops of the CPU backend, compiled once per instruction set. Rows hold n elements; "any" is f32
/// or bf16; callers have checked shapes and dtypes. Sums run in a fixed order that depends on the table
/// alone.
struct CpuKernels {
  const char* instruction_set;
  RowKernels rows;
  BlockKernels blocks;
  AttentionKernels attention;
  ProductKernels products;
  OutputKernels output;
  TrainingKernels training;
};

/// The fastest table that this CPU and operating system can run. The tables are constants.
const CpuKernels& best_cpu_kernels();

/// Each table, for tests: null where this CPU cannot run it.
const CpuKernels* cpu_kernels_named(const char* instruction_set);

}  // namespace cce
