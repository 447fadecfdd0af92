#pragma once
#include <cstdint>

#include "worker/tensor/ops/checks.h"

namespace cce {

/// One step of AdamW (Loshchilov, Hutter 2019) as PyTorch takes it, t = `step` counted from 1, g = scaled
/// gradient:
///   m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,
///   w ← (1 − η λ) w − η m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε).
struct AdamWStep {
  std::int64_t step = 1;
  double learning_rate = 0.0;  ///< η
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;    ///< λ
  double gradient_scale = 1.0;  ///< g = this times the gradient: the factor of clipping
};

/// AdamWStep as the numbers that every element needs.
struct AdamWFactors {
  float gradient_scale, beta1, rest1, beta2, rest2;  ///< rest = 1 − β
  float kept;                                        ///< 1 − η λ
  float rate;                                        ///< η / (1 − β₁ᵗ)
  float inverse_root;                                ///< 1 / √(1 − β₂ᵗ)
  float epsilon;
};

AdamWFactors adamw_factors(const AdamWStep& step);

/// Errors: shape_mismatch, unsupported, and out_of_range for settings that the step's formula does not allow.
void check_adamw(const AdamWStep& step, const ConstMatrix& gradient, const ConstMatrix& weights,
                 const ConstMatrix& m, const ConstMatrix& v, const ConstMatrix& copy);

/// How a backend computes the operations that only training needs; the functions below check their operands.
struct TrainingOps {
  void (*add_inner_product)(Backend& backend, ConstMatrix a, ConstMatrix b, Matrix sum);
  void (*rms_norm_gain_gradient)(Backend& backend, ConstMatrix d_out, ConstMatrix x, double epsilon,
                                 Matrix d_gain);
  void (*relative_error)(Backend& backend, ConstMatrix x, ConstMatrix target, double scale, Matrix losses,
                         Matrix gradient);
  void (*adamw)(Backend& backend, const AdamWStep& step, ConstMatrix gradient, Matrix weights, Matrix m,
                Matrix v, Matrix copy);
};

template <template <auto> class Wrap>
constexpr TrainingOps wrapped_training_ops() {
  return {.add_inner_product = Wrap<&TrainingOps::add_inner_product>::call,
          .rms_norm_gain_gradient = Wrap<&TrainingOps::rms_norm_gain_gradient>::call,
          .relative_error = Wrap<&TrainingOps::relative_error>::call,
          .adamw = Wrap<&TrainingOps::adamw>::call};
}
const TrainingOps& cpu_training_ops();
const TrainingOps& cuda_training_ops();

namespace ops {

/// sum ← sum + Σ_ij a_ij b_ij; a and b any, of one shape; sum f64 1 × 1. With a = b, the square of a norm.
inline void add_inner_product(Backend& backend, ConstMatrix a, ConstMatrix b, Matrix sum) {
  const char* operation = "add_inner_product";
  check_activations(operation, {{"a", a}, {"b", b}}, a.rows, a.cols);
  check_dtype(operation, "sum", sum, {DType::f64});
  check_shape(operation, "sum", sum, 1, 1);
  backend.ops().training->add_inner_product(backend, a, b, sum);
}

/// d_gain_j ← d_gain_j + Σ_t d_out_tj x_tj / √(mean x_t² + ε): of rms_norm by its gain. All f32; d_gain 1 ×
/// d.
inline void rms_norm_gain_gradient(Backend& backend, ConstMatrix d_out, ConstMatrix x, double epsilon,
                                   Matrix d_gain) {
  const char* operation = "rms_norm_gain_gradient";
  check_single(operation, "x", x, x.rows, x.cols);
  check_single(operation, "d_out", d_out, x.rows, x.cols);
  check_single(operation, "d_gain", d_gain, 1, x.cols);
  backend.ops().training->rms_norm_gain_gradient(backend, d_out, x, epsilon, d_gain);
}

/// loss_t ← ‖x_t − y_t‖² / ‖y_t‖² and gradient_t ← scale ∂ loss_t / ∂x_t = 2 scale (x_t − y_t) / ‖y_t‖², y
/// = target; both 0 where y_t = 0. x f32, target any, losses f32 1 × rows, gradient any (may be empty, and
/// may be the target's own memory where the dtypes agree).
inline void relative_error(Backend& backend, ConstMatrix x, ConstMatrix target, double scale, Matrix losses,
                           Matrix gradient) {
  const char* operation = "relative_error";
  check_single(operation, "x", x, x.rows, x.cols);
  check_activations(operation, {{"target", target}}, x.rows, x.cols);
  check_single(operation, "losses", losses, 1, x.rows);
  if (!gradient.empty()) {
    check_activations(operation, {{"gradient", gradient}}, x.rows, x.cols);
  }
  backend.ops().training->relative_error(backend, x, target, scale, losses, gradient);
}

/// One optimiser step, element by element, in place: gradient (only read), weights, m and v f32 of one
/// shape; copy (any, may be empty) ← the new weights rounded. Errors: out_of_range unless step ≥ 1, 0 ≤ β <
/// 1, ε > 0.
inline void adamw(Backend& backend, const AdamWStep& step, ConstMatrix gradient, Matrix weights, Matrix m,
                  Matrix v, Matrix copy) {
  check_adamw(step, gradient, weights, m, v, copy);
  backend.ops().training->adamw(backend, step, gradient, weights, m, v, copy);
}

/// add_inner_product onto 0, brought to the host.
double inner_product(Backend& backend, ConstMatrix a, ConstMatrix b);

}  // namespace ops

}  // namespace cce
