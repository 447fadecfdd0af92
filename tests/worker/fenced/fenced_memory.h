#pragma once
#include <cstddef>

#include "worker/tensor/memory_pool.h"

namespace cce {

/// Memory at two addresses: one that it is handed out at, where every access is a segmentation fault, and one
/// where it is read and written, known only here. What a GPU's memory is to the host, on a machine without a
/// GPU.
class FencedMemory final : public RawMemory {
 public:
  /// Errors: io_failure.
  FencedMemory();
  ~FencedMemory() override;
  FencedMemory(const FencedMemory&) = delete;
  FencedMemory& operator=(const FencedMemory&) = delete;

  void* take(std::size_t bytes) override;
  void give_back(void* memory) noexcept override;
  std::size_t free_bytes() override { return bytes - next_; }

  /// Whether the address lies behind the fence.
  bool holds(const void* address) const {
    return address >= fence_ && address < static_cast<const std::byte*>(fence_) + bytes;
  }
  /// Where the byte at a fenced address can be read and written.
  std::byte* open(const void* address) const {
    return static_cast<std::byte*>(open_) +
           (static_cast<const std::byte*>(address) - static_cast<std::byte*>(fence_));
  }

 private:
  static constexpr std::size_t bytes = std::size_t{16}
                                       << 30;  ///< of addresses; pages come when they are touched
  void* fence_ = nullptr;
  void* open_ = nullptr;
  std::size_t next_ = 0;
};

}  // namespace cce
