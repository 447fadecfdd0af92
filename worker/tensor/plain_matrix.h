#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

/// Matrices of f64 on the host and plain loops over them: what a library's results are held against.
namespace cce {

struct PlainMatrix {
  std::int64_t rows = 0, cols = 0;
  std::vector<double> elements;  ///< row-major

  /// All zeros.
  PlainMatrix(std::int64_t row_count, std::int64_t col_count)
      : rows(row_count), cols(col_count), elements(static_cast<std::size_t>(row_count * col_count)) {}
  double& operator()(std::int64_t row, std::int64_t col) {
    return elements[static_cast<std::size_t>(row * cols + col)];
  }
  double operator()(std::int64_t row, std::int64_t col) const {
    return elements[static_cast<std::size_t>(row * cols + col)];
  }
  double largest() const;  ///< magnitude of an element
};

/// Numbers between −½ and ½ that look random: fractions of multiples of the golden ratio, from the `first`
/// multiple on.
PlainMatrix scattered_matrix(std::int64_t rows, std::int64_t cols, std::int64_t first);
PlainMatrix identity_matrix(std::int64_t size);
PlainMatrix transposed(const PlainMatrix& a);

/// A B, each sum in order of its depth.
PlainMatrix plain_product(const PlainMatrix& a, const PlainMatrix& b);

/// max_i ‖a_i‖ over rows.
double largest_row_norm(const PlainMatrix& a);

/// max |a − b|, of one shape; NaN where any difference is.
double largest_difference(const PlainMatrix& a, const PlainMatrix& b);

}  // namespace cce
