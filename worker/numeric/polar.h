#pragma once
#include <cstdint>

#include "worker/tensor/backend.h"

namespace cce {

/// How polar_factor computes. The result's error is that of the products' inputs.
struct PolarOptions {
  int largest_step_count = 30;       ///< of Newton-Schulz; 0: eigen decomposition at once
  DType product_dtype = DType::f32;  ///< bf16: products in bf16 but for the last two steps
  double tolerance = 1e-3;  ///< of ‖X Xᵀ − I‖_F / √(smaller side) at which the iteration ends
};

struct PolarFactor {
  OwnedMatrix factor;     ///< U Vᵀ, f32, of W's shape
  int steps = 0;          ///< of Newton-Schulz
  bool by_eigen = false;  ///< the iteration did not converge: from the eigenvectors of the smaller Gram
};

/// The orthogonal polar factor U Vᵀ of W = U Σ Vᵀ (any shape, f32; only read): the gradient of the nuclear
/// norm at W, and ⟨W, U Vᵀ⟩ is that norm. X ← W / bound(σ_max), then X ← X (a I + b XᵀX + c (XᵀX)²) on the
/// smaller side: each singular value goes to 1 while the vectors stay (Newton-Schulz; Higham, Functions of
/// Matrices, 8.3). Singular values below about 1e-7 σ_max count as zero: their directions are dropped (eigen)
/// or not yet at 1 (iteration), which the tolerance bounds. W = 0 gives 0. Work: at most 30 × 2 products of
/// the smaller Gram's size. Errors: unsupported (dtype), not_positive_definite for entries that are not
/// finite.
PolarFactor polar_factor(Backend& backend, ConstMatrix weights, const PolarOptions& options = {});

}  // namespace cce
