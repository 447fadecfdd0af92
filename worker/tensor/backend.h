#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "worker/tensor/matrix.h"
#include "worker/tensor/op_table.h"

namespace cce {

/// Memory and queue of one device, and the table of what it computes. The operations themselves are functions of
/// namespace ops (ops/GROUP/GROUP_ops.h; ops.h includes all): row-major views; activations are tokens × features; "any"
/// means f32 or bf16; accumulation is always in f32 (f64 for f64). Every one throws Error shape_mismatch or unsupported
/// (dtype) before it touches memory. One thread drives a backend at a time; the backend itself uses the threads it was
/// made with. The same build, threads and inputs give the same bits.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view device() const = 0;
  /// Whether matrices of this backend lie in memory that the host may read and write, and matrices of the
  /// host may be given to every op. Where not, data crosses by upload and download alone (host_access.h).
  virtual bool host_memory() const = 0;
  /// Whether bf16 products are instructions of this device rather than an emulation slower than f32.
  virtual bool has_fast_bf16() const = 0;
  /// What computes the operations: of the backend's whole life.
  virtual const OpTable& ops() const = 0;
  /// The dtype of sums that a rank keeps of all its layers (docs/method.md 3): f64, or f32 on a device whose
  /// memory they would fill. What is added to them is summed in f32 by itself first, so that either rounds
  /// little.
  virtual DType kept_sum_dtype() const { return DType::f64; }

  // ---- memory
  /// 64-byte aligned, uninitialised. Errors: does_not_fit.
  virtual Buffer allocate(std::size_t bytes) = 0;
  OwnedMatrix matrix(DType dtype, std::int64_t rows, std::int64_t cols);  ///< uninitialised
  OwnedMatrix zeros(DType dtype, std::int64_t rows, std::int64_t cols);
  virtual void upload(ConstMatrix host, Matrix device) = 0;  ///< same dtype and shape
  virtual void download(ConstMatrix device, Matrix host) = 0;
  /// Host memory that start_upload copies from without the host's help; 64-byte aligned. Errors:
  /// does_not_fit.
  virtual Buffer allocate_host(std::size_t bytes) = 0;
  /// Starts the copy of a dense matrix in such memory. It begins after the work queued so far and runs beside
  /// what is queued later; until finish_uploads() neither side may be touched.
  virtual void start_upload(ConstMatrix host, Matrix device) { upload(host, device); }
  virtual void finish_uploads() {}  ///< waits until every started upload has arrived
  virtual void fill_zero(Matrix target) = 0;
  virtual void synchronize() = 0;  ///< waits for queued work
  /// The most memory of its own that this backend held at once; 0 where its memory is the host's.
  virtual std::size_t peak_bytes() const { return 0; }
  /// What it may hold at most; absent where its memory is the host's.
  virtual std::optional<std::size_t> limit_bytes() const { return std::nullopt; }
};

/// The CPU backend: oneDNN for f32 and bf16 products, OpenBLAS/LAPACKE for f64, `threads` ≥ 1 OpenMP threads.
std::unique_ptr<Backend> make_cpu_backend(int threads);

}  // namespace cce
