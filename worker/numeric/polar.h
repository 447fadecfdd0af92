#pragma once
#include <cstdint>

#include "worker/tensor/backend.h"

namespace cce {

/// How polar_factor computes.
struct PolarOptions {
  int largest_step_count = 30;  ///< of Newton-Schulz; 0: the eigenvectors at once
  /// bf16: each product as three of bf16 halves (high high + high low + low high), with a relative error
  /// about 2⁻¹⁶: for devices that are fast at them.
  DType product_dtype = DType::f32;
  double tolerance = 1e-4;  ///< of ‖I − XᵀX‖_F / √(smaller side) at which the iteration ends
};

struct PolarFactor {
  OwnedMatrix factor;     ///< U Vᵀ, f32, of W's shape
  int steps = 0;          ///< of Newton-Schulz
  bool by_eigen = false;  ///< from the eigenvectors of the smaller Gram matrix
};

/// The orthogonal polar factor U Vᵀ of W = U Σ Vᵀ (any shape; f32 or bf16, only read): the gradient of the
/// nuclear norm at W, and ⟨W, U Vᵀ⟩ is that norm.
///   1. X ← W / ‖WᵀW‖_F^½: singular values in (0, 1]
///   2. X ← ½ α X (3 I − α² XᵀX), α = √(3 / (1 + l + l²)), l ← ½ α l (3 − α² l²) from l = 1e-3: every
///      singular value goes to 1 while the vectors stay. Newton-Schulz (Higham, Functions of Matrices, 8.3)
///      with the scaling of Chen and Chow (2014), which triples small values per step; α → 1. Wide matrices:
///      X Xᵀ.
///   3. where 2 has not converged (W of lower rank, or nearly): W V Λ^-½ Vᵀ with the eigenvectors V of WᵀW
///      (or W Wᵀ) in f64; directions below 1e-7 of the largest singular value count as absent.
/// W = 0 gives 0. Work: per step 3 · small² · large flops at product speed. Errors: unsupported (dtype);
/// not_converged for entries that are not finite.
PolarFactor polar_factor(Backend& backend, ConstMatrix weights, const PolarOptions& options = {});

}  // namespace cce
