#pragma once
#include <cuda_runtime.h>

#include "worker/tensor/dtype.h"

/// bfloat16 as CUDA's headers name it, rounded as the project's own.
struct __nv_bfloat16 {
  std::uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 value) {
  return cce::to_float(cce::BFloat16{value.bits});
}
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  return {cce::to_bfloat16(value).bits};
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) {
  return value.bits;
}
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  return {bits};
}
