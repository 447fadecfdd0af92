#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "worker/tensor/dtype.h"

namespace cce {

enum class Transpose : bool { no, yes };

/// A read-only view of a row-major matrix in some backend's memory: element (i, j) lies at data[i * stride +
/// j]. Owns nothing; the memory must outlive it.
struct ConstMatrix {
  const void* data = nullptr;
  DType dtype = DType::f32;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;  ///< elements from one row to the next, ≥ cols

  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
  bool empty() const { return rows == 0 || cols == 0; }
  ConstMatrix block(std::int64_t row, std::int64_t col, std::int64_t row_count, std::int64_t col_count) const;
  ConstMatrix rows_from(std::int64_t row, std::int64_t count) const { return block(row, 0, count, cols); }
  ConstMatrix cols_from(std::int64_t col, std::int64_t count) const { return block(0, col, rows, count); }
};

/// The same, writable.
struct Matrix {
  void* data = nullptr;
  DType dtype = DType::f32;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
  bool empty() const { return rows == 0 || cols == 0; }
  operator ConstMatrix() const {
    return {data, dtype, rows, cols, stride};
  }  // NOLINT: a view, like T* → const T*
  Matrix block(std::int64_t row, std::int64_t col, std::int64_t row_count, std::int64_t col_count) const;
  Matrix rows_from(std::int64_t row, std::int64_t count) const { return block(row, 0, count, cols); }
  Matrix cols_from(std::int64_t col, std::int64_t count) const { return block(0, col, rows, count); }
};

/// Memory of a backend, freed on destruction. Move-only.
class Buffer {
 public:
  Buffer() = default;
  Buffer(void* data, std::size_t bytes, std::shared_ptr<void> owner)
      : data_(data), bytes_(bytes), owner_(std::move(owner)) {}
  Buffer(Buffer&&) noexcept = default;
  Buffer& operator=(Buffer&&) noexcept = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::shared_ptr<void> owner_;
};

/// A dense matrix that owns its memory (stride == cols). Move-only; `view()` lends it.
class OwnedMatrix {
 public:
  OwnedMatrix() = default;
  OwnedMatrix(Buffer buffer, DType dtype, std::int64_t rows, std::int64_t cols)
      : buffer_(std::move(buffer)), dtype_(dtype), rows_(rows), cols_(cols) {}

  Matrix view() { return {buffer_.data(), dtype_, rows_, cols_, cols_}; }
  ConstMatrix view() const { return {buffer_.data(), dtype_, rows_, cols_, cols_}; }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  std::size_t bytes() const { return buffer_.bytes(); }
  template <typename T>
  T* as() {
    return static_cast<T*>(buffer_.data());
  }
  template <typename T>
  const T* as() const {
    return static_cast<const T*>(buffer_.data());
  }

 private:
  Buffer buffer_;
  DType dtype_ = DType::f32;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
};

}  // namespace cce
