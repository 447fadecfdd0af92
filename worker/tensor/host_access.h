#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "worker/tensor/backend.h"

/// How the host reads and changes matrices of a backend whose memory may not be the host's. Each costs
/// nothing where it is, and one copy each way where it is not. Errors: those of the backend's copies.
namespace cce {

/// A matrix for the host to read. Lends the backend's own memory or owns a dense copy; the matrix must
/// outlive it and stay as it is.
class HostRead {
 public:
  HostRead(Backend& backend, ConstMatrix source);
  ConstMatrix view() const { return view_; }

 private:
  std::unique_ptr<std::byte[]> copy_;
  ConstMatrix view_;
};

/// A matrix for the host to change: the backend's own memory, or a dense copy that write_back() brings home.
class HostEdit {
 public:
  enum class Start {
    read,          ///< from the matrix's values
    uninitialised  ///< every value will be written
  };
  HostEdit(Backend& backend, Matrix target, Start start = Start::read);
  Matrix view() { return view_; }
  void write_back();

 private:
  Backend& backend_;
  Matrix target_;
  std::unique_ptr<std::byte[]> copy_;
  Matrix view_;
};

/// A matrix in host memory for a backend to read: itself, or a copy on the backend. The host's matrix must
/// outlive it.
class OnBackend {
 public:
  OnBackend(Backend& backend, ConstMatrix host);
  ConstMatrix view() const { return view_; }

 private:
  OwnedMatrix copy_;
  ConstMatrix view_;
};

/// The values of an f64 row on the host.
std::vector<double> host_values(Backend& backend, ConstMatrix row);

/// Bytes of packed data as a row that every backend copies unchanged. Errors: shape_mismatch for an odd
/// count.
Matrix bytes_view(std::span<std::byte> bytes);
ConstMatrix bytes_view(std::span<const std::byte> bytes);
/// Copies between the host's bytes and the backend's; of one length.
void upload_bytes(Backend& backend, std::span<const std::byte> host, std::span<std::byte> device);
void download_bytes(Backend& backend, std::span<const std::byte> device, std::span<std::byte> host);

/// The diagonal of a square matrix as a column: element i is a_ii.
ConstMatrix diagonal_view(ConstMatrix square);
Matrix diagonal_view(Matrix square);

}  // namespace cce
