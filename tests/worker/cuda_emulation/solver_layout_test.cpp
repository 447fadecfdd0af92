// The kernels beside cuBLAS and cuSOLVER, run on the CPU, on strided matrices of even and odd size.
#include "worker/tensor/ops/solvers/solver_layout.cuh"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

namespace cce::cuda_emulation {
namespace {

using namespace cuda_kernels;

constexpr std::int64_t gap = 3;  ///< elements between rows, which must stay as they are
constexpr double untouched = -77.0;

class Square {
 public:
  explicit Square(std::int64_t n) : n_(n), values_(static_cast<std::size_t>(n * (n + gap)), untouched) {
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) at(i, j) = static_cast<double>(i * 100 + j + 1);
    }
  }
  double& at(std::int64_t i, std::int64_t j) { return values_[static_cast<std::size_t>(i * stride() + j)]; }
  double* data() { return values_.data(); }
  std::int64_t n() const { return n_; }
  std::int64_t stride() const { return n_ + gap; }
  void expect(const std::function<double(std::int64_t, std::int64_t)>& expected) {
    for (std::int64_t i = 0; i < n_; ++i) {
      for (std::int64_t j = 0; j < stride(); ++j) {
        EXPECT_EQ(at(i, j), j < n_ ? expected(i, j) : untouched) << n_ << ": " << i << ' ' << j;
      }
    }
  }

 private:
  std::int64_t n_;
  std::vector<double> values_;
};

void run(const std::function<void()>& kernel, unsigned threads = 64, unsigned blocks = 3) {
  for (const ThreadOrder order : {ThreadOrder::ascending, ThreadOrder::descending}) {
    BlockRunner(order).run({blocks}, {threads}, 0, kernel);
    if (blocks == 1) break;
  }
}

double start(std::int64_t i, std::int64_t j) {
  return static_cast<double>(i * 100 + j + 1);
}

TEST(SolverLayout, triangles_and_identities) {
  for (const std::int64_t n : {1, 2, 7, 33}) {
    Square cleared(n), mirrored(n), identity(n);
    run([&] { clear_strict_upper<double>(cleared.data(), n, cleared.stride()); });
    cleared.expect([](std::int64_t i, std::int64_t j) { return j > i ? 0.0 : start(i, j); });
    run([&] { mirror_lower<double>(mirrored.data(), n, mirrored.stride()); });
    mirrored.expect([](std::int64_t i, std::int64_t j) { return j > i ? start(j, i) : start(i, j); });
    run([&] { set_identity<double>(identity.data(), n, identity.stride()); });
    identity.expect([](std::int64_t i, std::int64_t j) { return i == j ? 1.0 : 0.0; });
  }
}

TEST(SolverLayout, ascending_rows_become_descending_columns) {
  for (const std::int64_t n : {1, 2, 5, 8, 33}) {
    Square turned(n);
    BlockRunner(ThreadOrder::descending).run({2}, {64}, 0, [&] {
      turn_rows_to_columns<double>(turned.data(), n, turned.stride());
    });
    turned.expect([n](std::int64_t i, std::int64_t j) { return start(n - 1 - j, i); });
    std::vector<double> values;
    for (std::int64_t i = 0; i < n; ++i) values.push_back(static_cast<double>(i));
    BlockRunner(ThreadOrder::ascending).run({2}, {32}, 0, [&] { reverse_values<double>(values.data(), n); });
    for (std::int64_t i = 0; i < n; ++i) {
      EXPECT_EQ(values[static_cast<std::size_t>(i)], static_cast<double>(n - 1 - i));
    }
  }
}

TEST(SolverLayout, the_first_bad_pivot_is_found) {
  const double bad[] = {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()};
  for (const std::int64_t n : {1, 31, 70}) {
    for (const double pivot : bad) {
      for (const std::int64_t row : {std::int64_t{0}, n / 2, n - 1}) {
        Square a(n);
        a.at(row, row) = pivot;
        a.at(n - 1, n - 1) = pivot;
        std::int64_t first = -1;
        run([&] { find_bad_pivot<double>(a.data(), n, a.stride(), &first); }, 32, 1);
        EXPECT_EQ(first, row);
      }
    }
    Square good(n);
    std::int64_t first = -1;
    run([&] { find_bad_pivot<double>(good.data(), n, good.stride(), &first); }, 32, 1);
    EXPECT_EQ(first, n);
  }
}

TEST(SolverLayout, elements_that_are_not_finite_raise_the_flag) {
  Square a(9);
  int flag = 0;
  run([&] { flag_not_finite<double>(a.data(), 9, 9, a.stride(), &flag); });
  EXPECT_EQ(flag, 0);
  for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    Square broken(9);
    broken.at(8, 3) = value;
    flag = 0;
    run([&] { flag_not_finite<double>(broken.data(), 9, 9, broken.stride(), &flag); });
    EXPECT_EQ(flag, 1) << value;
  }
}

TEST(SolverLayout, the_triangle_of_a_column_major_factor_is_taken) {
  const std::int64_t height = 7;
  std::vector<double> columns(static_cast<std::size_t>(height * 4));
  for (std::size_t i = 0; i < columns.size(); ++i) columns[i] = static_cast<double>(i + 1);
  Square r(4);
  run([&] { take_upper<double>(columns.data(), height, r.data(), 4, r.stride()); });
  r.expect([&](std::int64_t i, std::int64_t j) {
    return j >= i ? columns[static_cast<std::size_t>(j * height + i)] : 0.0;
  });
}

}  // namespace
}  // namespace cce::cuda_emulation
