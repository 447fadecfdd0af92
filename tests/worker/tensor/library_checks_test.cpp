#include "worker/tensor/library_checks.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <string>

#include "tests/common/error_matcher.h"
#include "tests/worker/fenced/fenced_backend.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/ops/products/product_ops.h"
#include "worker/tensor/ops/solvers/solver_ops.h"

namespace cce {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// What replaces an operation in a table of operations.
using Plant = void (*)(ProductOps& products, SolverOps& solvers);

/// The CPU backend with one operation whose results are spoilt after it has run. Its memory is fenced, so the
/// checks reach it as they would a GPU's.
class SpoiltBackend : public FencedBackend {
 public:
  /// `dtype` and `rows` (0: any) say which products are spoilt, `by` what their last element is off.
  SpoiltBackend(Plant plant, DType dtype, std::int64_t rows, double by)
      : FencedBackend(1), dtype_(dtype), rows_(rows), by_(by) {
    plant(products_, solvers_);
  }

  const OpTable& ops() const override { return table_; }
  const OpTable& right() const { return FencedBackend::ops(); }

  bool is_meant(DType dtype, std::int64_t rows) const {
    return dtype == dtype_ && (rows_ == 0 || rows == rows_);
  }
  void spoil(Matrix matrix) {
    HostEdit edit(*this, matrix);
    const std::int64_t last = edit.view().rows * edit.view().cols - 1;  // dense: a copy of its own
    if (matrix.dtype == DType::f64) {
      edit.view().as<double>()[last] += by_;
    } else {
      edit.view().as<float>()[last] += static_cast<float>(by_);
    }
    edit.write_back();
  }

 private:
  ProductOps products_ = *FencedBackend::ops().products;
  SolverOps solvers_ = *FencedBackend::ops().solvers;
  OpTable table_ = [this] {
    OpTable table = FencedBackend::ops();
    table.products = &products_;
    table.solvers = &solvers_;
    return table;
  }();
  DType dtype_;
  std::int64_t rows_;
  double by_;
};

SpoiltBackend& spoilt(Backend& backend) {
  return static_cast<SpoiltBackend&>(backend);
}

void spoil_nothing(ProductOps&, SolverOps&) {}
void spoil_multiply(ProductOps& products, SolverOps&) {
  products.multiply = [](Backend& backend, ConstMatrix a, Transpose transpose_a, ConstMatrix b,
                         Transpose transpose_b, Matrix c, double alpha, double beta) {
    spoilt(backend).right().products->multiply(backend, a, transpose_a, b, transpose_b, c, alpha, beta);
    if (spoilt(backend).is_meant(a.dtype, c.rows)) {
      spoilt(backend).spoil(c);
    }
  };
}
void spoil_gram(ProductOps& products, SolverOps&) {
  products.gram = [](Backend& backend, ConstMatrix features, Matrix gram) {
    spoilt(backend).right().products->gram(backend, features, gram);
    spoilt(backend).spoil(gram);
  };
}
void spoil_cholesky(ProductOps&, SolverOps& solvers) {
  solvers.cholesky = [](Backend& backend, Matrix a) {
    const std::optional<std::int64_t> failed = spoilt(backend).right().solvers->cholesky(backend, a);
    spoilt(backend).spoil(a);
    return failed;
  };
}
void spoil_pivots(ProductOps&, SolverOps& solvers) {
  solvers.cholesky = [](Backend& backend, Matrix a) {
    static_cast<void>(spoilt(backend).right().solvers->cholesky(backend, a));
    return std::optional<std::int64_t>(7);
  };
}
void spoil_solve(ProductOps&, SolverOps& solvers) {
  solvers.cholesky_solve = [](Backend& backend, ConstMatrix factor, Matrix right_side) {
    spoilt(backend).right().solvers->cholesky_solve(backend, factor, right_side);
    spoilt(backend).spoil(right_side);
  };
}
void spoil_inverse(ProductOps&, SolverOps& solvers) {
  solvers.cholesky_inverse = [](Backend& backend, Matrix factor) {
    spoilt(backend).right().solvers->cholesky_inverse(backend, factor);
    spoilt(backend).spoil(factor);
  };
}
void spoil_triangular(ProductOps&, SolverOps& solvers) {
  solvers.triangular_solve = [](Backend& backend, ConstMatrix lower, Transpose transpose, Matrix right_side) {
    spoilt(backend).right().solvers->triangular_solve(backend, lower, transpose, right_side);
    spoilt(backend).spoil(right_side);
  };
}
void spoil_eigenvectors(ProductOps&, SolverOps& solvers) {
  solvers.eigen_symmetric = [](Backend& backend, Matrix a, Matrix values) {
    spoilt(backend).right().solvers->eigen_symmetric(backend, a, values);
    spoilt(backend).spoil(a);
  };
}
void spoil_eigenvalues(ProductOps&, SolverOps& solvers) {
  solvers.eigenvalues_symmetric = [](Backend& backend, Matrix a, Matrix values) {
    spoilt(backend).right().solvers->eigenvalues_symmetric(backend, a, values);
    spoilt(backend).spoil(values);
  };
}
void spoil_singular_values(ProductOps&, SolverOps& solvers) {
  solvers.singular_values = [](Backend& backend, Matrix a, Matrix u, Matrix values, Matrix v_transposed) {
    spoilt(backend).right().solvers->singular_values(backend, a, u, values, v_transposed);
    spoilt(backend).spoil(values);
  };
}
void spoil_qr(ProductOps&, SolverOps& solvers) {
  solvers.qr = [](Backend& backend, Matrix a, Matrix r) {
    spoilt(backend).right().solvers->qr(backend, a, r);
    spoilt(backend).spoil(r);
  };
}

TEST(LibraryChecks, pass_here_and_repeat_to_the_bit) {
  const auto backend = make_cpu_backend(1);
  const std::string first = check_libraries(*backend, cpu_libraries(), {});
  EXPECT_EQ(first.size(), 16U);
  EXPECT_EQ(check_libraries(*backend, cpu_libraries(), {}), first);
  SpoiltBackend fenced(spoil_nothing, DType::f32, 0, 0.0);
  EXPECT_EQ(check_libraries(fenced, cpu_libraries(), {}), first) << "the same libraries behind a fence";
}

TEST(LibraryChecks, ten_bit_products_have_a_bound_of_their_own) {
  SpoiltBackend backend(spoil_multiply, DType::f32, 0, 1e-2);
  EXPECT_THROW(check_libraries(backend, cpu_libraries(), {}), Error);
  EXPECT_NO_THROW(check_libraries(backend, cpu_libraries(), {.tf32 = true}));
}

/// Whether the CPU backend multiplies bf16 here: oneDNN does from AVX-512 on.
bool multiplies_bf16() {
  const auto backend = make_cpu_backend(1);
  try {
    check_libraries(*backend, cpu_libraries(), {.bf16 = true});
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::unsupported) << describe(error);
    EXPECT_THAT(error.remedy, HasSubstr("resources.precision: f32"));
    return false;
  }
}

struct SpoiltRow {
  const char* name;
  Plant plant;
  DType dtype;
  std::int64_t rows;
  double by;
  const char* library;
  const char* words;
  const char* remedy;
};
const SpoiltRow spoilt_rows[] = {
    {"f64_product", spoil_multiply, DType::f64, 0, 1e-9, "OpenBLAS", "product of f64", "OPENBLAS_CORETYPE"},
    {"f64_gram", spoil_gram, DType::f64, 0, 1e-9, "OpenBLAS", "Gram matrix", "OPENBLAS_CORETYPE"},
    {"f32_product", spoil_multiply, DType::f32, 0, 1e-2, "oneDNN", "product of f32", "DNNL_MAX_CPU_ISA"},
    {"bf16_product", spoil_multiply, DType::bf16, 5, 1e-2, "oneDNN", "product of bf16", "DNNL_MAX_CPU_ISA"},
    {"wide_bf16_product", spoil_multiply, DType::bf16, 40, 1e-2, "", "product of bf16", ""},
    {"cholesky", spoil_cholesky, DType::f64, 0, 1e-9, "OpenBLAS", "Cholesky fact", "OPENBLAS_CORETYPE"},
    {"pivots", spoil_pivots, DType::f64, 0, 0.0, "OpenBLAS", "Cholesky fact", "OPENBLAS_CORETYPE"},
    {"solve", spoil_solve, DType::f64, 0, 1e-9, "OpenBLAS", "Cholesky solve", "OPENBLAS_CORETYPE"},
    {"triangular", spoil_triangular, DType::f64, 0, 1e-9, "OpenBLAS", "triangular", "OPENBLAS_CORETYPE"},
    {"inverse", spoil_inverse, DType::f64, 0, 1e-9, "OpenBLAS", "inverse", "OPENBLAS_CORETYPE"},
    {"eigen", spoil_eigenvectors, DType::f64, 0, 1e-9, "OpenBLAS", "eigenvectors", "OPENBLAS_CORETYPE"},
    {"eigenvalues", spoil_eigenvalues, DType::f64, 0, 1e-9, "OpenBLAS", "eigenvalues", "OPENBLAS_CORETYPE"},
    {"singular_values", spoil_singular_values, DType::f64, 0, 1e-9, "OpenBLAS", "singular",
     "OPENBLAS_CORETYPE"},
    {"qr", spoil_qr, DType::f64, 0, 1e-9, "OpenBLAS", "QR", "OPENBLAS_CORETYPE"},
};

class SpoiltLibrary : public ::testing::TestWithParam<SpoiltRow> {};

TEST_P(SpoiltLibrary, is_named_with_its_kernels_and_what_to_do) {
  const SpoiltRow& row = GetParam();
  const bool narrow = row.dtype == DType::bf16;
  if (narrow && !multiplies_bf16()) {
    GTEST_SKIP() << "oneDNN multiplies no bf16 with these kernels";
  }
  for (const double by : {row.by, std::numeric_limits<double>::quiet_NaN()}) {
    SpoiltBackend backend(row.plant, row.dtype, row.rows, by);
    const Error error = error_of([&] { check_libraries(backend, cpu_libraries(), {.bf16 = narrow}); });
    EXPECT_EQ(error.code, ErrorCode::verification_failed) << describe(error);
    EXPECT_THAT(error.where, AllOf(HasSubstr(row.library), HasSubstr(", kernels "), HasSubstr(row.words)));
    EXPECT_THAT(error.remedy, HasSubstr(row.remedy));
    EXPECT_FALSE(error.remedy.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Operations, SpoiltLibrary, ::testing::ValuesIn(spoilt_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Libraries, each_task_is_one_library_s) {
  for (const NumericTask task :
       {NumericTask::product_f64, NumericTask::product_f32, NumericTask::product_bf16,
        NumericTask::wide_product_bf16, NumericTask::factorisation}) {
    int owners = 0;
    for (const NumericLibrary& library : cpu_libraries()) {
      owners += static_cast<int>(std::count(library.tasks.begin(), library.tasks.end(), task));
      EXPECT_FALSE(library.version.empty()) << library.name;
      EXPECT_FALSE(library.kernel.empty()) << library.name;
    }
    EXPECT_EQ(owners, 1) << static_cast<int>(task);
  }
}

}  // namespace
}  // namespace cce
