#include "worker/tensor/library_checks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "common/base/digest.h"
#include "common/base/error.h"
#include "common/base/number_format.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/ops/products/product_ops.h"
#include "worker/tensor/ops/solvers/solver_ops.h"
#include "worker/tensor/plain_matrix.h"

namespace cce {
namespace {

/// Unit roundoff of a product's sum.
double rounding_of(DType dtype) {
  return (dtype == DType::f64 ? std::numeric_limits<double>::epsilon()
                              : static_cast<double>(std::numeric_limits<float>::epsilon())) /
         2;
}

class Checks {
 public:
  Checks(Backend& backend, std::span<const NumericLibrary> libraries, const ProductPrecision& precision)
      : backend_(backend), libraries_(libraries), precision_(precision) {}

  std::string run() {
    product(NumericTask::product_f64, DType::f64, 17);
    gram();
    product(NumericTask::product_f32, DType::f32, 17);
    if (precision_.bf16) {
      product(NumericTask::product_bf16, DType::bf16, 5);
      product(NumericTask::wide_product_bf16, DType::bf16, 40);
    }
    cholesky();
    eigen();
    singular_values();
    qr();
    return digest_.finish_hex().substr(0, 16);
  }

 private:
  /// In the backend's memory, rounded to `dtype`; `values` become what was rounded.
  OwnedMatrix place(PlainMatrix& values, DType dtype) {
    OwnedMatrix matrix = backend_.matrix(dtype, values.rows, values.cols);
    HostEdit edit(backend_, matrix.view(), HostEdit::Start::uninitialised);
    for (std::size_t i = 0; i < values.elements.size(); ++i) {
      double& element = values.elements[i];
      if (dtype == DType::f64) {
        edit.view().as<double>()[i] = element;
      } else if (dtype == DType::f32) {
        element = edit.view().as<float>()[i] = static_cast<float>(element);
      } else {
        const BFloat16 rounded = edit.view().as<BFloat16>()[i] = to_bfloat16(static_cast<float>(element));
        element = static_cast<double>(to_float(rounded));
      }
    }
    edit.write_back();
    return matrix;
  }

  /// A dense f32 or f64 result, whose bits go into the digest.
  PlainMatrix fetch(ConstMatrix matrix) {
    const HostRead host(backend_, matrix);
    PlainMatrix values(matrix.rows, matrix.cols);
    const std::size_t count = values.elements.size();
    digest_.add(std::span(host.view().as<std::byte>(), count * size_in_bytes(matrix.dtype)));
    for (std::size_t i = 0; i < count; ++i) {
      values.elements[i] = matrix.dtype == DType::f64 ? host.view().as<double>()[i]
                                                      : static_cast<double>(host.view().as<float>()[i]);
    }
    return values;
  }

  void product(NumericTask task, DType dtype, std::int64_t rows) {
    constexpr std::int64_t depth = 700, cols = 33;
    PlainMatrix a = scattered_matrix(rows, depth, 1), b = scattered_matrix(depth, cols, 2);
    const OwnedMatrix device_a = place(a, dtype), device_b = place(b, dtype);
    PlainMatrix turned = transposed(a);
    const OwnedMatrix device_turned = place(turned, dtype);
    const DType sum = dtype == DType::f64 ? DType::f64 : DType::f32;
    const PlainMatrix expected = plain_product(a, b);
    const double bound = product_bound(a, b, dtype);
    const std::string words = "product of " + std::string(name(dtype)) + " matrices, " +
                              std::to_string(rows) + " x " + std::to_string(depth) + " x " +
                              std::to_string(cols);
    for (const Transpose transpose : {Transpose::no, Transpose::yes}) {
      OwnedMatrix c = backend_.zeros(sum, rows, cols);
      try {
        ops::multiply(backend_, transpose == Transpose::yes ? device_turned.view() : device_a.view(),
                      transpose, device_b.view(), Transpose::no, c.view());
      } catch (const Error& error) {
        refuse_unsupported(task, words, error);
      }
      judge(task, words, largest_difference(fetch(c.view()), expected), bound);
    }
  }

  double product_bound(const PlainMatrix& a, const PlainMatrix& b, DType dtype) const {
    const double root = std::sqrt(static_cast<double>(a.cols));
    const double of_factors = dtype == DType::f32 && precision_.tf32 ? std::ldexp(1.0, -11) : 0.0;
    return (4.0 * rounding_of(dtype) * root + 16.0 * of_factors / root) * largest_row_norm(a) *
           largest_row_norm(transposed(b));
  }

  void gram() {
    PlainMatrix features = scattered_matrix(600, 40, 3);
    const OwnedMatrix device = place(features, DType::f64);
    OwnedMatrix sum = backend_.zeros(DType::f64, 40, 40);
    ops::gram(backend_, device.view(), sum.view());
    const PlainMatrix turned = transposed(features);
    judge(NumericTask::product_f64, "Gram matrix of 600 x 40 features in f64",
          largest_difference(fetch(sum.view()), plain_product(turned, features)),
          product_bound(turned, features, DType::f64));
  }

  /// F Fᵀ / n + 1, well conditioned.
  static PlainMatrix positive_definite(std::int64_t size) {
    const PlainMatrix factor = scattered_matrix(size, size, 4);
    PlainMatrix a = plain_product(factor, transposed(factor));
    for (double& element : a.elements) {
      element /= static_cast<double>(size);
    }
    for (std::int64_t i = 0; i < size; ++i) {
      a(i, i) += 1.0;
    }
    return a;
  }

  void cholesky() {
    constexpr std::int64_t size = 80, columns = 9;
    PlainMatrix a = positive_definite(size), right = scattered_matrix(size, columns, 5);
    OwnedMatrix factor = place(a, DType::f64);
    const bool failed = ops::cholesky(backend_, factor.view()).has_value();
    const PlainMatrix lower = fetch(factor.view());
    judge_factorisation("Cholesky factorisation",
                        failed ? std::numeric_limits<double>::infinity()
                               : largest_difference(plain_product(lower, transposed(lower)), a),
                        a);

    OwnedMatrix solution = place(right, DType::f64);
    ops::cholesky_solve(backend_, factor.view(), solution.view());
    judge_factorisation("Cholesky solve", largest_difference(plain_product(a, fetch(solution.view())), right),
                        a);

    OwnedMatrix half = place(right, DType::f64);
    ops::triangular_solve(backend_, factor.view(), Transpose::no, half.view());
    judge_factorisation("triangular solve",
                        largest_difference(plain_product(lower, fetch(half.view())), right), a);

    ops::cholesky_inverse(backend_, factor.view());
    judge_factorisation("inverse from a Cholesky factor",
                        largest_difference(plain_product(a, fetch(factor.view())), identity_matrix(size)), a);
  }

  void eigen() {
    constexpr std::int64_t size = 60;
    PlainMatrix a = positive_definite(size);
    OwnedMatrix vectors = place(a, DType::f64), alone = place(a, DType::f64);
    OwnedMatrix values = backend_.matrix(DType::f64, 1, size),
                values_alone = backend_.matrix(DType::f64, 1, size);
    ops::eigen_symmetric(backend_, vectors.view(), values.view());
    const PlainMatrix v = fetch(vectors.view()), lambda = fetch(values.view());
    PlainMatrix scaled = v;
    for (std::int64_t i = 0; i < size; ++i) {
      for (std::int64_t j = 0; j < size; ++j) {
        scaled(i, j) *= lambda(0, j);
      }
    }
    judge_factorisation("eigenvectors of a symmetric matrix",
                        largest_difference(plain_product(scaled, transposed(v)), a), a);
    judge_factorisation("eigenvectors' own products",
                        largest_difference(plain_product(transposed(v), v), identity_matrix(size)), a);
    ops::eigenvalues_symmetric(backend_, alone.view(), values_alone.view());
    judge_factorisation("eigenvalues of a symmetric matrix",
                        largest_difference(fetch(values_alone.view()), lambda), a);
  }

  void singular_values() {
    constexpr std::int64_t rows = 50, cols = 30;
    PlainMatrix a = scattered_matrix(rows, cols, 6);
    OwnedMatrix work = place(a, DType::f64);
    OwnedMatrix left = backend_.matrix(DType::f64, rows, cols),
                right = backend_.matrix(DType::f64, cols, cols);
    OwnedMatrix values = backend_.matrix(DType::f64, 1, cols);
    ops::singular_values(backend_, work.view(), left.view(), values.view(), right.view());
    PlainMatrix u = fetch(left.view());
    const PlainMatrix sigma = fetch(values.view());
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < cols; ++j) {
        u(i, j) *= sigma(0, j);
      }
    }
    judge_factorisation("singular values", largest_difference(plain_product(u, fetch(right.view())), a),
                        sigma);
  }

  void qr() {
    constexpr std::int64_t rows = 50, cols = 30;
    PlainMatrix a = scattered_matrix(rows, cols, 7);
    OwnedMatrix work = place(a, DType::f64), upper = backend_.matrix(DType::f64, cols, cols);
    ops::qr(backend_, work.view(), upper.view());
    const PlainMatrix q = fetch(work.view()), r = fetch(upper.view());
    judge_factorisation("QR factorisation", largest_difference(plain_product(q, r), a), r);
    judge_factorisation("columns of Q",
                        largest_difference(plain_product(transposed(q), q), identity_matrix(cols)), r);
  }

  /// 64 n ε of the largest element, of 1 where that is less.
  void judge_factorisation(const std::string& operation, double difference, const PlainMatrix& scale) {
    const double size = static_cast<double>(std::max(scale.rows, scale.cols));
    judge(NumericTask::factorisation, operation, difference,
          64.0 * size * std::numeric_limits<double>::epsilon() * std::max(1.0, scale.largest()));
  }

  void judge(NumericTask task, const std::string& operation, double difference, double bound) const {
    if (difference <= bound) {  // false for NaN
      return;
    }
    const NumericLibrary* const library = library_of(task);
    throw Error{.code = ErrorCode::verification_failed,
                .where = place_of(task) + ": " + operation,
                .found = "off by " + format_number(difference),
                .expected = "at most " + format_number(bound) + " from what plain loops give",
                .remedy = library != nullptr ? library->remedy : ""};
  }

  /// Where the library cannot do it at all, as some cannot multiply bf16 on all CPUs.
  [[noreturn]] void refuse_unsupported(NumericTask task, const std::string& operation,
                                       const Error& error) const {
    if (error.code != ErrorCode::unsupported) {
      throw Error(error);
    }
    throw Error{.code = ErrorCode::unsupported,
                .where = place_of(task) + ": " + operation,
                .found = error.found,
                .expected = "a library that can do it here",
                .remedy =
                    "Set resources.precision: f32, or let the library use more of this CPU (is "
                    "DNNL_MAX_CPU_ISA set?)"};
  }

  /// Null where none does it.
  const NumericLibrary* library_of(NumericTask task) const {
    const auto library =
        std::find_if(libraries_.begin(), libraries_.end(), [task](const NumericLibrary& one) {
          return std::find(one.tasks.begin(), one.tasks.end(), task) != one.tasks.end();
        });
    return library == libraries_.end() ? nullptr : &*library;
  }

  /// "OpenBLAS 0.3.21, kernels SkylakeX".
  std::string place_of(NumericTask task) const {
    const NumericLibrary* const library = library_of(task);
    return library == nullptr ? std::string(backend_.device())
                              : library->name + " " + library->version + ", kernels " + library->kernel;
  }

  Backend& backend_;
  std::span<const NumericLibrary> libraries_;
  ProductPrecision precision_;
  Digest digest_;
};

}  // namespace

std::string check_libraries(Backend& backend, std::span<const NumericLibrary> libraries,
                            const ProductPrecision& precision) {
  return Checks(backend, libraries, precision).run();
}

}  // namespace cce
