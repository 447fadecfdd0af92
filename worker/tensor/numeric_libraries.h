#pragma once
#include <string>
#include <vector>

namespace cce {

/// What a backend leaves to a library. Products of bf16 matrices come twice: with few rows, and with as many
/// as one call of a layer has, where a backend may have kernels of its own.
enum class NumericTask { product_f64, product_f32, product_bf16, wide_product_bf16, factorisation };

/// A library that a backend computes with, and what it picked on this machine.
struct NumericLibrary {
  std::string name;     ///< "OpenBLAS"
  std::string version;  ///< as the library itself says
  std::string kernel;   ///< "SkylakeX", "AVX512_CORE_AMX"
  std::string remedy;   ///< what to do where its results are wrong
  std::vector<NumericTask> tasks;
};

/// What the CPU backend computes with: each task of NumericTask is one library's; one without a task adds to
/// the bits too.
std::vector<NumericLibrary> cpu_libraries();

/// The same of the CUDA backend on the GPU of this index. Errors: unsupported where the program was built
/// without CUDA; device_failure.
std::vector<NumericLibrary> cuda_libraries(int device);

}  // namespace cce
