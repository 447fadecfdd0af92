#include "worker/tensor/host_access.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "common/base/error.h"
#include "tests/worker/fenced/fenced_backend.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

/// Backends whose memory is the host's and whose memory is not.
std::vector<std::unique_ptr<Backend>> both_kinds() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cpu_backend(1));
  backends.push_back(std::make_unique<FencedBackend>(1));
  return backends;
}

OwnedMatrix counting(Backend& backend, std::int64_t rows, std::int64_t cols) {
  std::vector<double> values(static_cast<std::size_t>(rows * cols));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  OwnedMatrix result = backend.matrix(DType::f64, rows, cols);
  backend.upload({values.data(), DType::f64, rows, cols, cols}, result.view());
  return result;
}

TEST(HostAccess, reads_and_edits_strided_matrices_of_every_backend) {
  for (const auto& backend : both_kinds()) {
    OwnedMatrix matrix = counting(*backend, 4, 5);
    const Matrix inner = matrix.view().block(1, 2, 2, 3);
    HostEdit edit(*backend, inner);
    for (std::int64_t i = 0; i < 2; ++i) {
      for (std::int64_t j = 0; j < 3; ++j) edit.view().as<double>()[i * edit.view().stride + j] *= -1.0;
    }
    edit.write_back();
    const HostRead read(*backend, std::as_const(matrix).view());
    for (std::int64_t i = 0; i < 4; ++i) {
      for (std::int64_t j = 0; j < 5; ++j) {
        const double value = static_cast<double>(i * 5 + j);
        const bool inside = i >= 1 && i < 3 && j >= 2;
        EXPECT_EQ(read.view().as<double>()[i * read.view().stride + j], inside ? -value : value)
            << i << ' ' << j;
      }
    }
  }
}

TEST(HostAccess, costs_nothing_where_the_memory_is_the_hosts) {
  const auto backend = make_cpu_backend(1);
  OwnedMatrix matrix = counting(*backend, 2, 3);
  EXPECT_EQ(HostRead(*backend, matrix.view()).view().data, matrix.as<void>());
  EXPECT_EQ(HostEdit(*backend, matrix.view()).view().data, matrix.as<void>());
  EXPECT_EQ(OnBackend(*backend, matrix.view()).view().data, matrix.as<void>());
}

TEST(HostAccess, brings_host_matrices_bytes_and_diagonals_over) {
  for (const auto& backend : both_kinds()) {
    std::vector<double> host = {1.0, 2.0, 3.0};
    OwnedMatrix square = counting(*backend, 3, 3), sum = backend->zeros(DType::f64, 3, 1);
    const OnBackend column(*backend, {host.data(), DType::f64, 3, 1, 1});
    ops::add(*backend, column.view(), sum.view());
    ops::add(*backend, diagonal_view(std::as_const(square).view()), sum.view());
    EXPECT_EQ(host_values(*backend, sum.view()), (std::vector<double>{1.0, 6.0, 11.0}));
    const Buffer buffer = backend->allocate(24);
    const std::span<std::byte> bytes(static_cast<std::byte*>(buffer.data()), buffer.bytes());
    upload_bytes(*backend, std::as_bytes(std::span(host)), bytes);
    std::vector<double> back(3);
    download_bytes(*backend, bytes, std::as_writable_bytes(std::span(back)));
    EXPECT_EQ(back, host);
    EXPECT_THROW(upload_bytes(*backend, std::as_bytes(std::span(host)).first(3), bytes.first(3)), Error);
  }
}

TEST(FencedBackend, refuses_memory_of_the_wrong_side) {
  FencedBackend backend(1);
  OwnedMatrix matrix = counting(backend, 2, 2);
  std::vector<double> host(4);
  const Matrix outside{host.data(), DType::f64, 2, 2, 2};
  EXPECT_THROW(ops::add(backend, outside, matrix.view(), 1.0), Error);
  EXPECT_THROW(backend.upload(matrix.view(), matrix.view()), Error);
  EXPECT_THROW(backend.download(matrix.view(), matrix.view()), Error);
  EXPECT_DEATH(static_cast<void>(*static_cast<volatile double*>(matrix.view().data)), "");
}

}  // namespace
}  // namespace cce
