#pragma once
#include <cuda_runtime.h>

#include "worker/tensor/cpu/kernels/half.h"

/// binary16 as CUDA's headers name it, converted as the CPU kernels do.
struct __half {
  std::uint16_t bits;
};

inline float __half2float(__half value) {
  return cce::Element<cce::Float16>::to({value.bits});
}
inline __half __float2half_rn(float value) {
  return {cce::Element<cce::Float16>::from(value).bits};
}
