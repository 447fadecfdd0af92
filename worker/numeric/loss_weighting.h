#pragma once
#include <vector>

#include "worker/tensor/backend.h"

namespace cce {

/// R with R Rᵀ = S_g, so that W̃ = W R stands for W S_g^½ in every formula: they meet it only through W̃ W̃ᵀ and
/// ‖w̃_j‖², which agree. R is the lower Cholesky factor of S_g + ρ mean(diag S_g) I, ρ = 10⁻¹⁰ raised tenfold
/// until the factorisation succeeds (S_g of few tokens is singular).
/// second_moment = S_g = E[g gᵀ], d × d, f64. Errors: shape_mismatch; not_positive_definite (S_g is zero,
/// indefinite or not finite).
OwnedMatrix loss_root(Backend& backend, ConstMatrix second_moment);

/// W̃ = W R. output_weights n × d (in × out), root d × d, all f64.
OwnedMatrix weight_outputs(Backend& backend, ConstMatrix output_weights, ConstMatrix root);

/// The min(n, d) singular values of W̃, descending, as square roots of the eigenvalues of the smaller Gram
/// matrix (relative accuracy √ε, enough for a threshold). weighted n × d, f64.
std::vector<double> weighted_singular_values(Backend& backend, ConstMatrix weighted);

}  // namespace cce
