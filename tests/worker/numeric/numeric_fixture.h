#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "common/base/error.h"
#include "worker/tensor/backend.h"

namespace cce {

/// A CPU backend on one thread and seeded random problems. A problem is a function of its seed alone.
class NumericTest : public ::testing::Test {
 protected:
  OwnedMatrix gaussian(std::int64_t rows, std::int64_t cols, std::uint64_t seed);
  /// XᵀX / rows of `samples` Gaussian rows mixed by a random n × n matrix and scaled per column by scale(j).
  OwnedMatrix covariance(
      std::int64_t n, std::int64_t samples, std::uint64_t seed,
      const std::function<double(std::int64_t)>& scale = [](std::int64_t) { return 1.0; });
  OwnedMatrix product(ConstMatrix a, ConstMatrix b, Transpose transpose_a = Transpose::no,
                      Transpose transpose_b = Transpose::no);
  OwnedMatrix difference(ConstMatrix a, ConstMatrix b);
  OwnedMatrix identity(std::int64_t n);
  double norm(ConstMatrix a);
  double trace(ConstMatrix a);

  std::unique_ptr<Backend> backend_ = make_cpu_backend(1);
};

inline double& at(OwnedMatrix& matrix, std::int64_t i, std::int64_t j) {
  return matrix.as<double>()[i * matrix.cols() + j];
}
inline double at(const OwnedMatrix& matrix, std::int64_t i, std::int64_t j) {
  return matrix.as<double>()[i * matrix.cols() + j];
}

/// The code of the Error that `action` throws. A test failure when it throws nothing.
ErrorCode error_code_of(const std::function<void()>& action);

}  // namespace cce
