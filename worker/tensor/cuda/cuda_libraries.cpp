#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cusolverDn.h>

#include <string>

#include "common/base/version.h"
#include "worker/tensor/cuda/cuda_error.h"
#include "worker/tensor/numeric_libraries.h"

namespace cce {
namespace {

constexpr const char* operation = "versions of CUDA's libraries";

/// "12.4.5"; `get` writes one property of the library.
template <typename Get>
std::string version_by(Get&& get) {
  std::string text;
  for (const libraryPropertyType property : {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL}) {
    int part = 0;
    get(property, &part);
    text.append(text.empty() ? "" : ".").append(std::to_string(part));
  }
  return text;
}

/// What the libraries choose by: "NVIDIA H200, compute capability 9.0, 132 multiprocessors".
std::string gpu_kind(int index) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, index), operation);
  std::string kind(properties.name);
  kind.append(", compute capability ").append(std::to_string(properties.major)).append(".");
  kind.append(std::to_string(properties.minor)).append(", ");
  return kind.append(std::to_string(properties.multiProcessorCount)).append(" multiprocessors");
}

}  // namespace

std::vector<NumericLibrary> cuda_libraries(int device) {
  const std::string cublas = version_by([](libraryPropertyType property, int* part) {
    check_cublas(cublasGetProperty(property, part), operation);
  });
  const std::string cusolver = version_by([](libraryPropertyType property, int* part) {
    check_cusolver(cusolverGetProperty(property, part), operation);
  });
  const std::string kind = gpu_kind(device);
  const std::string remedy = "Install another version of it, or set resources.device: cpu";
  return {
      {.name = "cuBLAS",
       .version = cublas,
       .kernel = kind,
       .remedy = remedy,
       .tasks = {NumericTask::product_f64, NumericTask::product_f32, NumericTask::product_bf16,
                 NumericTask::wide_product_bf16}},
      {.name = "cuSOLVER",
       .version = cusolver,
       .kernel = kind,
       .remedy = remedy,
       .tasks = {NumericTask::factorisation}},
      {.name = "CCE", .version = std::string(code_version), .kernel = kind, .remedy = remedy, .tasks = {}}};
}

}  // namespace cce
