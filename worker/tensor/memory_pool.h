#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace cce {

/// Where a pool gets its memory: slow calls that the pool makes seldom.
class RawMemory {
 public:
  virtual ~RawMemory() = default;
  /// At least 256-byte aligned; null where there is not that much.
  virtual void* take(std::size_t bytes) = 0;
  virtual void give_back(void* memory) noexcept = 0;
  /// Bytes that take() could still hand out.
  virtual std::size_t free_bytes() = 0;
};

/// Hands out blocks of a few large pieces of raw memory and keeps what is given back, because asking a GPU's
/// driver for memory waits for all of its work. Requests are rounded up to granularity_bytes; the smallest
/// free block that is large enough serves, the rest of it stays free, and free neighbours become one. Where
/// the raw memory or the limit is used up, whole free pieces go back first.
///
/// The pool knows no streams: a block may be handed out again at once, so all work on its blocks must be
/// queued in one order, that of the calls. Not thread-safe.
class MemoryPool {
 public:
  static constexpr std::size_t granularity_bytes = 512;
  static constexpr std::size_t piece_bytes = std::size_t{32}
                                             << 20;  ///< of raw memory, at least; more for larger blocks

  struct Use {
    std::size_t in_use_bytes = 0;       ///< in blocks handed out
    std::size_t peak_in_use_bytes = 0;  ///< the most that was
    std::size_t reserved_bytes = 0;     ///< of raw memory, in use or kept
    std::size_t peak_reserved_bytes = 0;
  };

  /// `name` is the memory's in errors. The pool never reserves more than limit_bytes.
  MemoryPool(std::string name, std::unique_ptr<RawMemory> raw, std::size_t limit_bytes);
  /// Gives everything back; no block may be in use.
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  /// A block of at least `bytes` > 0. Errors: does_not_fit, with what was asked, in use and free, and the
  /// recipe's keys to lower.
  void* take(std::size_t bytes);
  /// A block from take().
  void give_back(void* block) noexcept;
  /// Gives pieces that hold no block back to the raw memory.
  void trim() noexcept;

  const Use& use() const { return use_; }
  std::size_t limit_bytes() const { return limit_bytes_; }

 private:
  struct Block {
    std::size_t bytes = 0;
    bool free = true;
    bool starts_piece = false;
  };
  using Blocks = std::map<std::byte*, Block>;  // by address, so neighbours are neighbours
  using FreeBlock = std::pair<std::size_t, std::byte*>;

  Blocks::iterator find_free(std::size_t bytes);
  Blocks::iterator reserve(std::size_t bytes);
  Blocks::iterator join_with_next(Blocks::iterator block);
  [[noreturn]] void refuse(std::size_t bytes);

  std::string name_;
  std::unique_ptr<RawMemory> raw_;
  std::size_t limit_bytes_;
  Use use_;
  Blocks blocks_;
  std::set<FreeBlock> free_;
};

}  // namespace cce
