#pragma once
#include "common/recipe/job_spec.h"
#include "worker/model/host_layer.h"
#include "worker/stages/calibrate/layer_statistics.h"
#include "worker/tensor/backend.h"

namespace cce {

/// The quadratic form that prices the removal of a sub-block's features: ½ tr(S_g ΔWᵀ C ΔW), nats per token.
struct LossMetric {
  OwnedMatrix covariance;      ///< C, n × n: E[‖g‖² fᵀ f] / E‖g‖², or E[fᵀ f] in the ablation
  OwnedMatrix output_weights;  ///< W, n × d (in × out)
  OwnedMatrix weighted_outputs;  ///< W̃ = W S_g^½, n × d; W √(tr S_g / d) in the ablation
};

/// C alone. tokens: how many the sums ran over.
OwnedMatrix loss_covariance(Backend& backend, const SubBlockStatistics& statistics, double tokens,
                            const EncodeSettings& settings);

/// All of it. `output` as the checkpoint stores it (d × n, any dtype, in the backend's memory).
/// Errors: not_positive_definite when the gradient is zero or not finite.
LossMetric make_loss_metric(Backend& backend, const SubBlockStatistics& statistics, ConstMatrix output,
                            double tokens, const EncodeSettings& settings);

/// Wᵀ in f64 of a matrix stored out × in.
OwnedMatrix transposed_f64(Backend& backend, ConstMatrix stored);

/// stored (out × in, f32, on the host) ← solution (in × out, f64).
void store_transposed(Backend& backend, ConstMatrix solution, HostMatrix& stored);

/// target ← factor source (f64), a new matrix.
OwnedMatrix scaled_copy(Backend& backend, ConstMatrix source, double factor);

}  // namespace cce
