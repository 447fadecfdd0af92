#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>

#include "worker/tensor/backend.h"

/// What an operation checks before a backend touches memory. `operation` opens the error's `where`; `operand` names the
/// argument as the operation's header does.
namespace cce {

struct NamedOperand {
  const char* name;
  const ConstMatrix& matrix;
};

/// Errors: shape_mismatch unless matrix is rows × cols, has stride ≥ cols and, unless empty, data.
void check_shape(const char* operation, const char* operand, const ConstMatrix& matrix, std::int64_t rows,
                 std::int64_t cols);
/// Errors: unsupported unless the dtype is among `allowed`.
void check_dtype(const char* operation, const char* operand, const ConstMatrix& matrix,
                 std::initializer_list<DType> allowed);
/// f32 or bf16.
void check_activation(const char* operation, const char* operand, const ConstMatrix& matrix);
/// All activations, rows × cols.
void check_activations(const char* operation, std::initializer_list<NamedOperand> operands, std::int64_t rows,
                       std::int64_t cols);
/// f32, rows × cols.
void check_single(const char* operation, const char* operand, const ConstMatrix& matrix, std::int64_t rows,
                  std::int64_t cols);
/// Throws shape_mismatch.
[[noreturn]] void refuse_shape(const char* operation, const char* operand, std::string found,
                               std::string expected);

}  // namespace cce
