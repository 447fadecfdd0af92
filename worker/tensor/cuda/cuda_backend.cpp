#include "worker/tensor/cuda/cuda_backend.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/base/number_format.h"
#include "worker/tensor/cuda/cuda_error.h"
#include "worker/tensor/cuda/cuda_kernels_built.h"
#include "worker/tensor/ops.h"
#include "worker/tensor/ops/checks.h"
#include "worker/tensor/row_pointer.h"

namespace cce {
namespace {

constexpr std::size_t blas_workspace_bytes = std::size_t{32}
                                             << 20;  // what cuBLAS advises for compute capability 9

/// 0 where a driver shows none.
int count_devices(const char* operation) {
  int count = 0;
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaErrorNoDevice) {
    check_cuda(status, operation);
  }
  return count;
}

/// Makes the device current for this thread, checked for what the backend needs.
CudaOptions select_device(CudaOptions options) {
  constexpr const char* operation = "start of the CUDA backend";
  const int count = count_devices(operation);
  if (options.device < 0 || options.device >= count) {
    throw Error{
        .code = ErrorCode::out_of_range,
        .where = operation,
        .found = "GPU " + std::to_string(options.device) + " of " + std::to_string(count) + " visible",
        .expected = "one that is there",
        .remedy = "Start fewer ranks on this machine, or make more GPUs visible (CUDA_VISIBLE_DEVICES)"};
  }
  check_cuda(cudaSetDevice(options.device), operation);
  check_kernels_built();
  std::size_t free = 0;
  std::size_t total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), operation);
  const auto sharers = static_cast<std::size_t>(std::max(1, options.sharers));
  if (options.memory_limit_bytes > free / sharers) {
    throw Error{.code = ErrorCode::does_not_fit,
                .where = "resources.memory",
                .found = format_bytes(static_cast<std::int64_t>(options.memory_limit_bytes)) +
                         " for each of " + std::to_string(sharers) + " ranks on a GPU, with " +
                         format_bytes(static_cast<std::int64_t>(free)) + " free of the GPU's " +
                         format_bytes(static_cast<std::int64_t>(total)),
                .expected = "at most what is free",
                .remedy = "Lower resources.memory, or end what else uses the GPU"};
  }
  if (options.memory_limit_bytes == 0) {
    options.memory_limit_bytes = free / 10 * 9 / sharers;
  }
  return options;
}

int multiprocessors_of(int device) {
  int count = 0;
  check_cuda(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device),
             "start of the CUDA backend");
  return count;
}

/// Staging moves elements of at least two bytes; no operation's host argument has an odd count of bytes.
std::int64_t pairs_of_bytes(std::size_t bytes) {
  if (bytes % 2 != 0) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "copy between host and GPU",
                .found = std::to_string(bytes) + " bytes",
                .expected = "an even count",
                .remedy = {}};
  }
  return static_cast<std::int64_t>(bytes / 2);
}

}  // namespace

bool built_with_cuda() {
  return true;
}

std::vector<CudaDevice> cuda_devices() {
  constexpr const char* operation = "list of GPUs";
  const int count = count_devices(operation);
  std::vector<CudaDevice> devices;
  for (int index = 0; index < count; ++index) {
    cudaDeviceProp properties{};  // what needs no context: one takes hundreds of MB of its device
    check_cuda(cudaGetDeviceProperties(&properties, index), operation);
    CudaDevice device{.name = properties.name,
                      .identity = {},
                      .major = properties.major,
                      .minor = properties.minor,
                      .total_bytes = properties.totalGlobalMem,
                      .multiprocessors = properties.multiProcessorCount};
    for (const char byte : properties.uuid.bytes) {
      constexpr const char* digits = "0123456789abcdef";
      const auto value = static_cast<unsigned char>(byte);
      device.identity += {digits[value / 16], digits[value % 16]};
    }
    devices.push_back(std::move(device));
  }
  return devices;
}

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options) {
  return std::make_unique<CudaBackend>(options);
}

CudaBackend::CudaBackend(const CudaOptions& options)
    : options_(select_device(options)),
      multiprocessors_(multiprocessors_of(options_.device)),
      pool_(std::make_shared<MemoryPool>("memory of GPU " + std::to_string(options_.device),
                                         std::make_unique<CudaRawMemory>(), options_.memory_limit_bytes)),
      staging_(stream_, std::max(1, options_.host_threads)),
      blas_(stream_),
      solver_(stream_) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, options_.device), "start of the CUDA backend");
  name_ = "cuda:" + std::to_string(options_.device) + " " + properties.name;
  blas_workspace_ = allocate(blas_workspace_bytes);
  check_cublas(cublasSetWorkspace(blas_, blas_workspace_.data(), blas_workspace_.bytes()), "start of cuBLAS");
  // Sums of parts of a long depth stay f32 for bf16 results too.
  check_cublas(
      cublasSetMathMode(blas_, static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH |
                                                         CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)),
      "start of cuBLAS");
}

CudaBackend::~CudaBackend() {
  cudaStreamSynchronize(upload_stream_);
  cudaStreamSynchronize(stream_);
}

Buffer CudaBackend::allocate(std::size_t bytes) {
  if (bytes == 0) {
    return {};
  }
  void* const data = pool_->take(bytes);
  return {data, bytes, std::shared_ptr<void>(data, [pool = pool_](void* block) { pool->give_back(block); })};
}

void CudaBackend::upload(ConstMatrix host, Matrix device) {
  check_shape("upload", "device", device, host.rows, host.cols);
  check_shape("upload", "host", host, host.rows, host.cols);
  check_dtype("upload", "device", device, {host.dtype});
  staging_.upload(host, device);
}

void CudaBackend::download(ConstMatrix device, Matrix host) {
  check_shape("download", "host", host, device.rows, device.cols);
  check_shape("download", "device", device, device.rows, device.cols);
  check_dtype("download", "host", host, {device.dtype});
  staging_.download(device, host);
}

Buffer CudaBackend::allocate_host(std::size_t bytes) {
  if (bytes == 0) {
    return {};
  }
  const auto memory = std::make_shared<PinnedBuffer>(bytes);
  return {memory->data(), bytes, memory};
}

void CudaBackend::start_upload(ConstMatrix host, Matrix device) {
  check_shape("start_upload", "device", device, host.rows, host.cols);
  check_shape("start_upload", "host", host, host.rows, host.cols);
  check_dtype("start_upload", "device", device, {host.dtype});
  if (host.empty()) {
    return;
  }
  queued_.record(stream_);
  queued_.hold_back(upload_stream_);
  queue_copy(host, device, cudaMemcpyHostToDevice, upload_stream_, "start_upload");
}

void CudaBackend::finish_uploads() {
  check_cuda(cudaStreamSynchronize(upload_stream_), "wait for an upload");
}

void CudaBackend::fill_zero(Matrix target) {
  check_shape("fill_zero", "target", target, target.rows, target.cols);
  if (target.empty()) {
    return;
  }
  const std::size_t element = size_in_bytes(target.dtype);
  check_cuda(cudaMemset2DAsync(target.data, static_cast<std::size_t>(target.stride) * element, 0,
                               static_cast<std::size_t>(target.cols) * element,
                               static_cast<std::size_t>(target.rows), stream_),
             "fill_zero");
}

const OpTable& CudaBackend::ops() const {
  static const OpTable table{.products = &cuda_product_ops(),
                             .rows = &cuda_row_ops(),
                             .selections = &cuda_selection_ops(),
                             .blocks = &cuda_block_ops(),
                             .attention = &cuda_attention_ops(),
                             .output = &cuda_output_ops(),
                             .training = &cuda_training_ops(),
                             .solvers = &cuda_solver_ops()};
  return table;
}

void CudaBackend::synchronize() {
  check_cuda(cudaStreamSynchronize(stream_), "wait for the GPU");
}

Buffer CudaBackend::on_device(std::span<const std::byte> bytes) {
  Buffer result = allocate(bytes.size());
  const std::int64_t count = pairs_of_bytes(bytes.size());
  staging_.upload({bytes.data(), DType::bf16, 1, count, count},
                  {result.data(), DType::bf16, 1, count, count});
  return result;
}

void CudaBackend::to_host(const void* device, std::span<std::byte> host) {
  const std::int64_t count = pairs_of_bytes(host.size());
  staging_.download({device, DType::bf16, 1, count, count}, {host.data(), DType::bf16, 1, count, count});
}

}  // namespace cce
