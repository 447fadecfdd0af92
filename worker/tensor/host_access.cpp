#include "worker/tensor/host_access.h"

#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

std::unique_ptr<std::byte[]> room_for(const ConstMatrix& matrix) {
  return std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(matrix.rows * matrix.cols) *
                                                     size_in_bytes(matrix.dtype));
}

/// Bytes as a matrix that backends copy unchanged.
std::int64_t elements_of(std::size_t bytes) {
  if (bytes % 2 != 0) {
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = "copy of bytes",
                .found = std::to_string(bytes),
                .expected = "an even count",
                .remedy = {}};
  }
  return static_cast<std::int64_t>(bytes / 2);
}

}  // namespace

HostRead::HostRead(Backend& backend, ConstMatrix source) : view_(source) {
  if (backend.host_memory()) {
    backend.synchronize();
    return;
  }
  copy_ = room_for(source);
  const Matrix copy{copy_.get(), source.dtype, source.rows, source.cols, source.cols};
  if (!source.empty()) {
    backend.download(source, copy);
  }
  view_ = copy;
}

HostEdit::HostEdit(Backend& backend, Matrix target, Start start)
    : backend_(backend), target_(target), view_(target) {
  if (backend.host_memory()) {
    backend.synchronize();
    return;
  }
  copy_ = room_for(target);
  view_ = {copy_.get(), target.dtype, target.rows, target.cols, target.cols};
  if (start == Start::read && !target.empty()) {
    backend.download(target, view_);
  }
}

void HostEdit::write_back() {
  if (copy_ && !target_.empty()) {
    backend_.upload(view_, target_);
  }
}

OnBackend::OnBackend(Backend& backend, ConstMatrix host) : view_(host) {
  if (!backend.host_memory() && !host.empty()) {
    copy_ = backend.matrix(host.dtype, host.rows, host.cols);
    backend.upload(host, copy_.view());
    view_ = copy_.view();
  }
}

std::vector<double> host_values(Backend& backend, ConstMatrix row) {
  std::vector<double> values(static_cast<std::size_t>(row.rows * row.cols));
  if (!values.empty()) {
    backend.download(row, {values.data(), row.dtype, row.rows, row.cols, row.cols});
  }
  return values;
}

Matrix bytes_view(std::span<std::byte> bytes) {
  const std::int64_t count = elements_of(bytes.size());
  return {bytes.data(), DType::bf16, 1, count, count};
}

ConstMatrix bytes_view(std::span<const std::byte> bytes) {
  const std::int64_t count = elements_of(bytes.size());
  return {bytes.data(), DType::bf16, 1, count, count};
}

void upload_bytes(Backend& backend, std::span<const std::byte> host, std::span<std::byte> device) {
  if (!host.empty()) {
    backend.upload(bytes_view(host), bytes_view(device));
  }
}

void download_bytes(Backend& backend, std::span<const std::byte> device, std::span<std::byte> host) {
  if (!host.empty()) {
    backend.download(bytes_view(device), bytes_view(host));
  }
}

ConstMatrix diagonal_view(ConstMatrix square) {
  return {square.data, square.dtype, square.rows, 1, square.stride + 1};
}

Matrix diagonal_view(Matrix square) {
  return {square.data, square.dtype, square.rows, 1, square.stride + 1};
}

}  // namespace cce
