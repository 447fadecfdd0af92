#pragma once
#include <span>
#include <string>

#include "worker/tensor/backend.h"
#include "worker/tensor/numeric_libraries.h"

namespace cce {

/// How a job multiplies beside f64 and f32.
struct ProductPrecision {
  bool bf16 = false;  ///< matrices of bf16 too: what a library cannot do and no job needs is not asked of it
  bool tf32 = false;  ///< products of f32 matrices take ten bits of each factor's mantissa
};

/// Lets the libraries of a backend (each task is one of `libraries`) work on small problems with known
/// answers: a library that picks kernels its CPU does not run right, or that was built wrong, gives no error
/// by itself.
///   products          C = A B and Aᵀ B in f64, f32 and bf16, few rows and many, a depth k that is summed in
///                     several blocks: |c_ij − Σ a b| ≤ 4 u √k max ‖a_i‖ max ‖b_j‖, u the rounding of the
///                     sum; where factors are rounded too (tf32, by v = 2⁻¹¹) 16 v / √k of the same more
///   Gram              G = Fᵀ F in f64, the same bound
///   factorisations    Cholesky with solve and inverse, triangular solve, eigenvalues and vectors, singular
///                     values, QR: the residual of what they promise, against 64 n ε times the largest
///                     element
/// Sums beside them are plain loops in f64. Some milliseconds, less than a megabyte.
/// Returns 16 hexadecimal digits that two machines share whose libraries gave the same bits for all of it.
/// Errors: verification_failed with library, version and kernel, the operation and how far off it was, and
/// what the user can do; unsupported for a product that the library refuses.
std::string check_libraries(Backend& backend, std::span<const NumericLibrary> libraries,
                            const ProductPrecision& precision);

}  // namespace cce
