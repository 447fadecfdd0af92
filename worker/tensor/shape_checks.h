#pragma once
#include <cstdint>
#include <initializer_list>
#include <span>

#include "worker/tensor/backend.h"

/// What every backend checks before it touches memory. `operation` opens the error's `where`; `operand` names
/// the argument as the header does.
namespace cce {

/// Errors: shape_mismatch unless matrix is rows × cols, has stride ≥ cols and, unless empty, data.
void check_shape(const char* operation, const char* operand, const ConstMatrix& matrix, std::int64_t rows,
                 std::int64_t cols);
/// Errors: unsupported unless the dtype is among `allowed`.
void check_dtype(const char* operation, const char* operand, const ConstMatrix& matrix,
                 std::initializer_list<DType> allowed);
/// f32 or bf16.
void check_activation(const char* operation, const char* operand, const ConstMatrix& matrix);

/// op(A) op(B) fits C, and the dtypes are a supported triple. Returns the inner dimension.
std::int64_t check_multiply(const ConstMatrix& a, Transpose transpose_a, const ConstMatrix& b,
                            Transpose transpose_b, const ConstMatrix& c, double beta);
void check_gram(const ConstMatrix& features, const ConstMatrix& gram);

void check_convert(const ConstMatrix& source, const ConstMatrix& target);
void check_add(const ConstMatrix& source, const ConstMatrix& target);
void check_add_bias(const ConstMatrix& bias, const ConstMatrix& x);
/// source and target any and scale f32, or all three f64.
void check_scale_rows(const ConstMatrix& source, const ConstMatrix& scale, const ConstMatrix& target);
/// x any and out f32, or both f64.
void check_row_squared_norms(const ConstMatrix& x, const ConstMatrix& out);
void check_column_sums(const ConstMatrix& x, const ConstMatrix& weight, const ConstMatrix& out);

/// Errors also: out_of_range for an id outside the table.
void check_embed(std::span<const std::int32_t> ids, const ConstMatrix& table, const ConstMatrix& out);
void check_rms_norm(const ConstMatrix& x, const ConstMatrix& gain, const ConstMatrix& out);
void check_rms_norm_backward(const ConstMatrix& d_out, const ConstMatrix& x, const ConstMatrix& gain,
                             const ConstMatrix& d_x);
void check_swiglu(const ConstMatrix& gate, const ConstMatrix& up, const ConstMatrix& out);
void check_swiglu_backward(const ConstMatrix& d_out, const ConstMatrix& gate, const ConstMatrix& up,
                           const ConstMatrix& d_gate, const ConstMatrix& d_up);
/// gather and scatter: `whole` is the matrix that the lists index, `part` the other. Errors also:
/// out_of_range.
void check_selection(const char* operation, const ConstMatrix& whole, std::span<const std::int32_t> rows,
                     std::span<const std::int32_t> cols, const ConstMatrix& part);
void check_transpose(const ConstMatrix& source, const ConstMatrix& target);
void check_rope(const ConstMatrix& x, const RopeTable& table, std::int64_t kv_groups,
                std::int64_t heads_per_group, std::int64_t length, std::int64_t first_position);

/// Sizes of an attention: counts positive, key_length ≥ query_length, scale > 0, window ≥ 1; q and k fit
/// them.
void check_attention(const char* operation, const AttentionShape& shape, const ConstMatrix& q,
                     const ConstMatrix& k);
/// log_sum_exp: f32, tokens × heads.
void check_log_sum_exp(const char* operation, const AttentionShape& shape, const ConstMatrix& log_sum_exp);
void check_attention_forward(const AttentionShape& shape, const ConstMatrix& q, const ConstMatrix& k,
                             const ConstMatrix& v, const ConstMatrix& out, const ConstMatrix& log_sum_exp);
void check_attention_backward(const AttentionShape& shape, const ConstMatrix& q, const ConstMatrix& k,
                              const ConstMatrix& v, const ConstMatrix& out, const ConstMatrix& log_sum_exp,
                              const ConstMatrix& d_out, const ConstMatrix& d_q, const ConstMatrix& d_k,
                              const ConstMatrix& d_v);

void check_attention_variance(const AttentionShape& shape, const ConstMatrix& q, const ConstMatrix& k,
                              const ConstMatrix& log_sum_exp, const ConstMatrix& variance);

/// Labels are one a token and below the vocabulary (negative ones are allowed: tokens without a loss).
void check_output(const char* operation, const ConstMatrix& hidden, const ConstMatrix& head,
                  std::span<const std::int32_t> labels, const ConstMatrix& losses);
void check_output_gradient(const ConstMatrix& hidden, const ConstMatrix& head,
                           std::span<const std::int32_t> labels, std::span<const float> uniforms,
                           const ConstMatrix& losses, const ConstMatrix& d_hidden);

void check_divergence(const ConstMatrix& hidden, const ConstMatrix& head, const ConstMatrix& teacher,
                      const ConstMatrix& teacher_head, const ConstMatrix& divergence,
                      const ConstMatrix& d_hidden);

void check_inner_product(const ConstMatrix& a, const ConstMatrix& b, const ConstMatrix& sum);
void check_gain_gradient(const ConstMatrix& d_out, const ConstMatrix& x, const ConstMatrix& d_gain);
void check_relative_error(const ConstMatrix& x, const ConstMatrix& target, const ConstMatrix& losses,
                          const ConstMatrix& gradient);
/// Errors also: out_of_range for settings that the step's formula does not allow.
void check_adamw(const AdamWStep& step, const ConstMatrix& gradient, const ConstMatrix& weights,
                 const ConstMatrix& m, const ConstMatrix& v, const ConstMatrix& copy);

// solver_checks.cpp: f64 all
void check_square(const char* operation, const char* operand, const ConstMatrix& matrix);
/// A square triangle and a right side with as many rows.
void check_triangle(const char* operation, const char* operand, const ConstMatrix& triangle,
                    const ConstMatrix& right_side);
/// A square matrix and a row for its eigenvalues.
void check_eigen(const char* operation, const ConstMatrix& a, const ConstMatrix& values);
void check_singular_values(const ConstMatrix& a, const ConstMatrix& u, const ConstMatrix& values,
                           const ConstMatrix& v_transposed);
void check_qr(const ConstMatrix& a, const ConstMatrix& r);

}  // namespace cce
