#pragma once
#include <vector>

#include "worker/tensor/backend.h"

namespace cce {

/// out_i ← ‖x_i‖^power (0 for a zero row), x f32 tokens × d, out f32 1 × tokens. The norms travel through the
/// host: one number a token.
void row_norms_to_power(Backend& backend, ConstMatrix x, double power, Matrix out);

/// A row of f32 numbers, 1 × n, on the host.
std::vector<float> to_host(Backend& backend, ConstMatrix row);

}  // namespace cce
