#include "worker/comm/device/device_exchange.h"

#include <string>
#include <string_view>

#include "worker/tensor/host_access.h"

namespace cce {
namespace {

template <typename T>
std::span<T> values_of(const Matrix& matrix) {
  return {matrix.as<T>(), static_cast<std::size_t>(matrix.rows * matrix.cols)};
}

void check_dense(const char* verb, const Matrix& matrix) {
  const bool reducible = matrix.dtype == DType::f32 || matrix.dtype == DType::f64;
  if (!reducible || (matrix.stride != matrix.cols && matrix.rows > 1)) {
    throw Error{
        .code = ErrorCode::shape_mismatch,
        .where = verb,
        .found = std::string(name(matrix.dtype)) + ", rows " + std::to_string(matrix.stride) + " apart",
        .expected = "f32 or f64, rows " + std::to_string(matrix.cols) + " apart",
        .remedy = {}};
  }
}

/// work(span) on the matrix's values where the communicator can reach them.
template <typename Work>
void on_reachable_values(const char* verb, Communicator& communicator, Backend& backend, Matrix values,
                         const Work& work) {
  check_dense(verb, values);
  const auto run = [&work](const Matrix& reachable) {
    reachable.dtype == DType::f64 ? work(values_of<double>(reachable)) : work(values_of<float>(reachable));
  };
  if (communicator.size() == 1) {  // its own sum already: nothing to bring to the host and back
    run({nullptr, values.dtype, 0, 0, 0});
    return;
  }
  if (communicator.takes_device_memory()) {
    run(values);
    return;
  }
  HostEdit host(backend, values);
  run(host.view());
  host.write_back();
}

}  // namespace

void reduce_sum(Communicator& communicator, Backend& backend, Matrix values, int root) {
  on_reachable_values("reduce_sum", communicator, backend, values,
                      [&](auto span) { communicator.reduce_sum(span, root); });
}

void all_reduce_sum(Communicator& communicator, Backend& backend, Matrix values) {
  on_reachable_values("all_reduce_sum", communicator, backend, values,
                      [&](auto span) { communicator.all_reduce_sum(span); });
}

void broadcast(Communicator& communicator, Backend& backend, std::span<std::byte> bytes, int root) {
  if (communicator.size() == 1) {
    communicator.broadcast({}, root);
    return;
  }
  if (communicator.takes_device_memory() || bytes.empty()) {
    communicator.broadcast(bytes, root);
    return;
  }
  HostEdit host(backend, bytes_view(bytes),
                communicator.rank() == root ? HostEdit::Start::read : HostEdit::Start::uninitialised);
  communicator.broadcast({host.view().as<std::byte>(), bytes.size()}, root);
  if (communicator.rank() != root) {
    host.write_back();
  }
}

}  // namespace cce
