#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "tests/conformance/tensor_reference.h"
#include "worker/tensor/backend.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {

using reference::Dense;

/// One implementation under test. A new one adds a line of these to its test program and no test.
struct BackendCase {
  std::string name;
  std::function<std::unique_ptr<Backend>()> make;
  std::string cannot_run = {};  ///< why this machine cannot run it: every test is then skipped
};

inline void PrintTo(const BackendCase& backend_case, std::ostream* stream) {
  *stream << backend_case.name;
}
inline std::string case_name(const testing::TestParamInfo<BackendCase>& info) {
  return info.param.name;
}

/// Element (row, col) of test matrix `seed`, in [−1, 1), exact in f32; scripts/conformance/backend_goldens.py
/// has the same formula.
inline double wave(std::int64_t row, std::int64_t col, std::int64_t seed) {
  const auto mixed = static_cast<std::uint32_t>(row * 7919 + col * 104729 + seed * 15485863 + row * col * 31);
  const std::uint32_t hashed = (mixed ^ (mixed >> 13)) * 2654435761u;
  return static_cast<double>((hashed ^ (hashed >> 15)) >> 8) / 8388608.0 - 1.0;
}

inline Dense wave_matrix(std::int64_t rows, std::int64_t cols, std::int64_t seed, double amplitude = 1.0) {
  Dense result(rows, cols);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < cols; ++j) {
      result(i, j) = amplitude * wave(i, j, seed);
    }
  }
  return result;
}

/// The value as a matrix of that dtype keeps it.
inline double stored(double value, DType dtype) {
  if (dtype == DType::bf16) {
    return static_cast<double>(to_float(to_bfloat16(static_cast<float>(value))));
  }
  return dtype == DType::f32 ? static_cast<double>(static_cast<float>(value)) : value;
}

/// max |a − b| / max |b|: the error against the scale of the expected matrix.
inline double scaled_error(const Dense& found, const Dense& expected) {
  double difference = 0.0, scale = 1e-300;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double error = std::abs(found.values.at(i) - expected.values[i]);
    difference = std::isnan(error) ? INFINITY : std::max(difference, error);
    scale = std::max(scale, std::abs(expected.values[i]));
  }
  return difference / scale;
}

/// A strided, misaligned view with guard elements on all sides, which no operation may touch.
class Guarded {
 public:
  Guarded(Backend& backend, DType dtype, std::int64_t rows, std::int64_t cols)
      : backend_(backend), memory_(backend.matrix(dtype, rows + 2, cols + 2 * margin)) {
    write(memory_.view(), Dense(rows + 2, cols + 2 * margin), guard);
  }
  Guarded(Backend& backend, DType dtype, Dense& values) : Guarded(backend, dtype, values.rows, values.cols) {
    for (double& value : values.values) {
      value = stored(value, dtype);
    }
    write(view(), values, 0.0);
  }

  Matrix view() { return memory_.view().block(1, margin, memory_.rows() - 2, memory_.cols() - 2 * margin); }
  operator Matrix() { return view(); }
  operator ConstMatrix() { return view(); }

  /// The values, after checking the guards.
  Dense get() {
    const Dense all = read(memory_.view());
    Dense inner(all.rows - 2, all.cols - 2 * margin);
    int touched = 0;
    for (std::int64_t i = 0; i < all.rows; ++i) {
      for (std::int64_t j = 0; j < all.cols; ++j) {
        const bool inside = i >= 1 && i <= inner.rows && j >= margin && j < margin + inner.cols;
        if (inside) {
          inner(i - 1, j - margin) = all(i, j);
        } else {
          touched += all(i, j) != guard;
        }
      }
    }
    EXPECT_EQ(touched, 0) << "elements outside the matrix were written";
    return inner;
  }

 private:
  static constexpr std::int64_t margin = 3;
  static constexpr double guard = -77.0;

  void write(Matrix target, const Dense& values, double offset) {
    std::vector<double> host = values.values;
    for (double& value : host) {
      value += offset;
    }
    OwnedMatrix wide = backend_.matrix(DType::f64, values.rows, values.cols);
    backend_.upload({host.data(), DType::f64, values.rows, values.cols, values.cols}, wide.view());
    ops::convert(backend_, wide.view(), target);
    backend_.synchronize();
  }
  Dense read(ConstMatrix source) {
    Dense values(source.rows, source.cols);
    OwnedMatrix wide = backend_.matrix(DType::f64, source.rows, source.cols);
    ops::convert(backend_, source, wide.view());
    backend_.download(wide.view(), {values.values.data(), DType::f64, source.rows, source.cols, source.cols});
    backend_.synchronize();
    return values;
  }

  Backend& backend_;
  OwnedMatrix memory_;
};

class BackendSuite : public testing::TestWithParam<BackendCase> {
 protected:
  void SetUp() override {
    if (!GetParam().cannot_run.empty()) {
      GTEST_SKIP() << GetParam().cannot_run;
    }
  }
  Backend& backend() {
    if (!backend_) {
      backend_ = GetParam().make();
    }
    return *backend_;
  }
  /// Rounds `values` to dtype and puts them on the device.
  Guarded put(DType dtype, Dense& values) { return Guarded(backend(), dtype, values); }
  Guarded make(DType dtype, std::int64_t rows, std::int64_t cols) {
    return Guarded(backend(), dtype, rows, cols);
  }
  /// The call must raise this error.
  static void expect_error(ErrorCode code, const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "no error; expected " << error_name(code);
    } catch (const Error& error) {
      EXPECT_EQ(error_name(error.code), error_name(code)) << describe(error);
    }
  }

 private:
  std::unique_ptr<Backend> backend_;
};

/// A dtype with the scaled error that its results may have.
struct Precision {
  DType dtype;
  double tolerance;
};
inline constexpr Precision activation_precisions[] = {{DType::f32, 2e-6}, {DType::bf16, 1e-2}};

}  // namespace cce::backend_suite
