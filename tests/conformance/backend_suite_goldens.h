#pragma once
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/conformance/backend_case.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {

/// What PyTorch computed for one case, by tensor name; written by scripts/conformance/backend_goldens.py.
/// CCE_TESTS_FOLDER says where the tests' files lie on a machine without the repository (scripts/gpu_check).
inline nlohmann::json golden_case(const std::string& name) {
  const char* const moved = std::getenv("CCE_TESTS_FOLDER");
  std::ifstream file(std::string(moved != nullptr ? moved : CCE_TESTS_DIR) + "/goldens/backend_ops.json");
  return nlohmann::json::parse(file).at(name);
}

inline Dense golden(const nlohmann::json& group, const std::string& name) {
  const nlohmann::json& rows = group.at(name);
  Dense result(std::ssize(rows), std::ssize(rows.at(0)));
  for (std::int64_t i = 0; i < result.rows; ++i) {
    for (std::int64_t j = 0; j < result.cols; ++j) {
      result(i, j) = rows.at(static_cast<std::size_t>(i)).at(static_cast<std::size_t>(j)).get<double>();
    }
  }
  return result;
}

TEST_P(BackendSuite, pytorch_attention) {
  for (const Precision& precision : activation_precisions) {
    for (const std::int64_t window : {0, 5}) {
      SCOPED_TRACE(std::string(name(precision.dtype)) + " window " + std::to_string(window));
      const nlohmann::json expected = golden_case(
          std::string(window > 0 ? "attention_window_" : "attention_") + std::string(name(precision.dtype)));
      AttentionInputs in({"golden", 2, 13, 13, 2, 2, 8, 12, window, 0.3});
      Guarded q = put(precision.dtype, in.q), k = put(precision.dtype, in.k), v = put(precision.dtype, in.v);
      Guarded d_out = put(precision.dtype, in.d_out), out = make(precision.dtype, 26, 48);
      Guarded log_sum_exp = make(DType::f32, 26, 4);
      Guarded d_q = make(DType::f32, 26, 32), d_k = make(DType::f32, 26, 16), d_v = make(DType::f32, 26, 24);
      ops::attention_forward(backend(), in.shape, q, k, v, out, log_sum_exp);
      ops::attention_backward(backend(), in.shape, q, k, v, out, log_sum_exp, d_out, d_q, d_k, d_v);
      EXPECT_LE(scaled_error(out.get(), golden(expected, "out")), precision.tolerance);
      EXPECT_LE(scaled_error(d_q.get(), golden(expected, "d_q")), precision.tolerance);
      EXPECT_LE(scaled_error(d_k.get(), golden(expected, "d_k")), precision.tolerance);
      EXPECT_LE(scaled_error(d_v.get(), golden(expected, "d_v")), precision.tolerance);
    }
  }
}

TEST_P(BackendSuite, pytorch_norm_rope_and_swiglu) {
  Dense x = wave_matrix(3, 37, 1, 3.0), gain = wave_matrix(1, 37, 2), d_out = wave_matrix(3, 37, 3);
  Guarded device = put(DType::f32, x), device_gain = put(DType::f32, gain), gradient = put(DType::f32, d_out);
  Dense nothing(3, 37);
  Guarded out = make(DType::f32, 3, 37), d_x = put(DType::f32, nothing);
  ops::rms_norm(backend(), device, device_gain, 1e-5, out);
  ops::rms_norm_backward(backend(), gradient, device, device_gain, 1e-5, d_x);
  EXPECT_LE(scaled_error(out.get(), golden(golden_case("rms_norm"), "out")), 2e-6);
  EXPECT_LE(scaled_error(d_x.get(), golden(golden_case("rms_norm"), "d_x")), 2e-6);

  Dense heads = wave_matrix(5, 24, 1), cosine(5, 6), sine(5, 6);
  for (std::int64_t position = 0; position < 5; ++position) {
    for (std::int64_t j = 0; j < 6; ++j) {
      cosine(position, j) = std::cos(static_cast<double>(position * (j + 1)) * 0.37);
      sine(position, j) = std::sin(static_cast<double>(position * (j + 1)) * 0.37);
    }
  }
  Guarded turned = put(DType::f32, heads), cos = put(DType::f32, cosine), sin = put(DType::f32, sine);
  ops::rope(backend(), turned, {cos, sin}, 1, 2, 5, 0, false);
  EXPECT_LE(scaled_error(turned.get(), golden(golden_case("rope"), "out")), 2e-6);

  Dense gate = wave_matrix(3, 21, 1, 4.0), up = wave_matrix(3, 21, 2), d_product = wave_matrix(3, 21, 3);
  Guarded device_gate = put(DType::f32, gate), device_up = put(DType::f32, up);
  Guarded d_z = put(DType::f32, d_product), product = make(DType::f32, 3, 21);
  Guarded d_gate = make(DType::f32, 3, 21), d_up = make(DType::f32, 3, 21);
  ops::gated_units(backend(), Activation::silu, device_gate, device_up, product);
  ops::gated_units_backward(backend(), Activation::silu, d_z, device_gate, device_up, d_gate, d_up);
  EXPECT_LE(scaled_error(product.get(), golden(golden_case("swiglu"), "out")), 2e-6);
  EXPECT_LE(scaled_error(d_gate.get(), golden(golden_case("swiglu"), "d_gate")), 2e-6);
  EXPECT_LE(scaled_error(d_up.get(), golden(golden_case("swiglu"), "d_up")), 2e-6);
}

TEST_P(BackendSuite, pytorch_output_loss) {
  for (const Precision& precision : activation_precisions) {
    const nlohmann::json expected = golden_case("output_" + std::string(name(precision.dtype)));
    Dense hidden = wave_matrix(11, 33, 1), head = wave_matrix(50, 33, 2);
    Guarded device = put(precision.dtype, hidden), device_head = put(precision.dtype, head);
    Guarded losses = make(DType::f32, 1, 11), d_hidden = make(DType::f32, 11, 33);
    std::vector<std::int32_t> labels;
    for (std::int32_t t = 0; t < 11; ++t) {
      labels.push_back(t % 5 == 3 ? -1 : t * 17 % 50);
    }
    ops::output_gradient(backend(), device, device_head, labels, {}, losses, d_hidden);
    EXPECT_LE(scaled_error(losses.get(), golden(expected, "losses")), 5e-6);
    EXPECT_LE(scaled_error(d_hidden.get(), golden(expected, "d_hidden")), precision.tolerance);
  }
}

TEST_P(BackendSuite, pytorch_solvers) {
  const nlohmann::json expected = golden_case("solvers");
  const Dense x = wave_matrix(9, 9, 11);
  Dense gram = reference::multiply(reference::transpose(x), x), tall = wave_matrix(9, 5, 6);
  for (std::int64_t i = 0; i < 9; ++i) {
    gram(i, i) += 1.0;
  }
  Guarded factor = put(DType::f64, gram), a = put(DType::f64, gram), eigenvalues = make(DType::f64, 1, 9);
  ASSERT_EQ(ops::cholesky(backend(), factor), std::nullopt);
  EXPECT_LE(scaled_error(factor.get(), golden(expected, "cholesky")), 1e-11);
  ops::cholesky_inverse(backend(), factor);
  EXPECT_LE(scaled_error(factor.get(), golden(expected, "inverse")), 1e-11);
  ops::eigenvalues_symmetric(backend(), a, eigenvalues);
  EXPECT_LE(scaled_error(eigenvalues.get(), golden(expected, "eigenvalues")), 1e-11);
  Guarded b = put(DType::f64, tall), u = make(DType::f64, 9, 5), v = make(DType::f64, 5, 5);
  Guarded values = make(DType::f64, 1, 5);
  ops::singular_values(backend(), b, u, values, v);
  EXPECT_LE(scaled_error(values.get(), golden(expected, "singular_values")), 1e-11);
}

}  // namespace cce::backend_suite
