#pragma once

namespace cce {

/// Errors: unsupported where this program holds no kernels for the current GPU's compute capability.
void check_kernels_built();

}  // namespace cce
