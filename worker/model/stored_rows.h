#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/model/checkpoint/stored_tensor.h"
#include "worker/tensor/dtype.h"

namespace cce {

/// Rows of a weight (a vector has one) as f32, bf16 or f16, rounded to nearest even; FP8 is scaled first.
/// `target` holds exactly their elements. Errors: those of convert_elements.
void read_rows(const StoredTensor& tensor, std::int64_t first, std::int64_t rows, DType dtype,
               std::span<std::byte> target);

std::int64_t stored_rows(const StoredTensor& tensor);
std::int64_t stored_columns(const StoredTensor& tensor);

}  // namespace cce
