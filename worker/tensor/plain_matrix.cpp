#include "worker/tensor/plain_matrix.h"

#include <algorithm>
#include <cmath>

namespace cce {

double PlainMatrix::largest() const {
  double most = 0.0;
  for (const double element : elements) {
    most = std::max(most, std::abs(element));
  }
  return most;
}

PlainMatrix scattered_matrix(std::int64_t rows, std::int64_t cols, std::int64_t first) {
  constexpr double golden_ratio = 0.6180339887498949;
  PlainMatrix matrix(rows, cols);
  std::int64_t multiple = first;
  for (double& element : matrix.elements) {
    const double product = static_cast<double>(multiple) * golden_ratio;
    element = product - std::floor(product) - 0.5;
    multiple += 1 + multiple % 7;  // steps of several lengths, so that rows are not alike
  }
  return matrix;
}

PlainMatrix identity_matrix(std::int64_t size) {
  PlainMatrix one(size, size);
  for (std::int64_t i = 0; i < size; ++i) {
    one(i, i) = 1.0;
  }
  return one;
}

PlainMatrix transposed(const PlainMatrix& a) {
  PlainMatrix result(a.cols, a.rows);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < a.cols; ++j) {
      result(j, i) = a(i, j);
    }
  }
  return result;
}

PlainMatrix plain_product(const PlainMatrix& a, const PlainMatrix& b) {
  PlainMatrix c(a.rows, b.cols);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t k = 0; k < a.cols; ++k) {
      const double factor = a(i, k);
      for (std::int64_t j = 0; j < b.cols; ++j) {
        c(i, j) += factor * b(k, j);
      }
    }
  }
  return c;
}

double largest_row_norm(const PlainMatrix& a) {
  double most = 0.0;
  for (std::int64_t i = 0; i < a.rows; ++i) {
    double squares = 0.0;
    for (std::int64_t k = 0; k < a.cols; ++k) {
      squares += a(i, k) * a(i, k);
    }
    most = std::max(most, squares);
  }
  return std::sqrt(most);
}

double largest_difference(const PlainMatrix& a, const PlainMatrix& b) {
  double most = 0.0;
  for (std::size_t i = 0; i < a.elements.size(); ++i) {
    const double difference = std::abs(a.elements[i] - b.elements[i]);
    if (std::isnan(difference)) {
      return difference;
    }
    most = std::max(most, difference);
  }
  return most;
}

}  // namespace cce
