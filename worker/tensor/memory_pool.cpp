#include "worker/tensor/memory_pool.h"

#include <algorithm>
#include <iterator>

#include "common/base/error.h"
#include "common/base/number_format.h"

namespace cce {
namespace {

std::size_t rounded_up(std::size_t bytes, std::size_t unit) {
  return bytes > SIZE_MAX - unit ? SIZE_MAX / unit * unit : (bytes + unit - 1) / unit * unit;
}

std::string format_bytes_of(std::size_t bytes) {
  return format_bytes(static_cast<std::int64_t>(bytes));
}

}  // namespace

MemoryPool::MemoryPool(std::string name, std::unique_ptr<RawMemory> raw, std::size_t limit_bytes)
    : name_(std::move(name)), raw_(std::move(raw)), limit_bytes_(limit_bytes) {}

MemoryPool::~MemoryPool() {
  trim();
}

void* MemoryPool::take(std::size_t bytes) {
  const std::size_t wanted = rounded_up(bytes, granularity_bytes);
  Blocks::iterator block = find_free(wanted);
  if (block == blocks_.end()) {
    block = reserve(wanted);
  }
  if (block == blocks_.end()) {
    trim();
    block = reserve(wanted);
  }
  if (block == blocks_.end()) {
    refuse(bytes);
  }
  free_.erase({block->second.bytes, block->first});
  if (block->second.bytes > wanted) {
    const Block rest{.bytes = block->second.bytes - wanted, .free = true, .starts_piece = false};
    std::byte* const start = block->first + wanted;
    blocks_.emplace(start, rest);
    free_.insert({rest.bytes, start});
    block->second.bytes = wanted;
  }
  block->second.free = false;
  use_.in_use_bytes += wanted;
  use_.peak_in_use_bytes = std::max(use_.peak_in_use_bytes, use_.in_use_bytes);
  return block->first;
}

void MemoryPool::give_back(void* memory) noexcept {
  Blocks::iterator block = blocks_.find(static_cast<std::byte*>(memory));
  if (block == blocks_.end() || block->second.free) {
    return;
  }
  use_.in_use_bytes -= block->second.bytes;
  block->second.free = true;
  if (const auto next = std::next(block);
      next != blocks_.end() && next->second.free && !next->second.starts_piece) {
    free_.erase({next->second.bytes, next->first});
    block = join_with_next(block);
  }
  if (!block->second.starts_piece) {
    if (const auto previous = std::prev(block); previous->second.free) {
      free_.erase({previous->second.bytes, previous->first});
      block = join_with_next(previous);
    }
  }
  free_.insert({block->second.bytes, block->first});
}

void MemoryPool::trim() noexcept {
  for (auto block = blocks_.begin(); block != blocks_.end();) {
    const auto next = std::next(block);
    const bool whole_piece = block->second.free && block->second.starts_piece &&
                             (next == blocks_.end() || next->second.starts_piece);
    if (whole_piece) {
      free_.erase({block->second.bytes, block->first});
      use_.reserved_bytes -= block->second.bytes;
      raw_->give_back(block->first);
      blocks_.erase(block);
    }
    block = next;
  }
}

MemoryPool::Blocks::iterator MemoryPool::find_free(std::size_t bytes) {
  const auto found = free_.lower_bound({bytes, nullptr});
  return found == free_.end() ? blocks_.end() : blocks_.find(found->second);
}

MemoryPool::Blocks::iterator MemoryPool::reserve(std::size_t bytes) {
  const std::size_t left = limit_bytes_ - std::min(limit_bytes_, use_.reserved_bytes);
  for (const std::size_t piece : {std::max(bytes, piece_bytes), bytes}) {
    if (piece > left) {
      continue;
    }
    if (void* const memory = raw_->take(piece); memory != nullptr) {
      use_.reserved_bytes += piece;
      use_.peak_reserved_bytes = std::max(use_.peak_reserved_bytes, use_.reserved_bytes);
      free_.insert({piece, static_cast<std::byte*>(memory)});
      return blocks_
          .insert_or_assign(static_cast<std::byte*>(memory),
                            Block{.bytes = piece, .free = true, .starts_piece = true})
          .first;
    }
  }
  return blocks_.end();
}

MemoryPool::Blocks::iterator MemoryPool::join_with_next(Blocks::iterator block) {
  const auto next = std::next(block);
  block->second.bytes += next->second.bytes;
  blocks_.erase(next);
  return block;
}

void MemoryPool::refuse(std::size_t bytes) {
  throw Error{.code = ErrorCode::does_not_fit,
              .where = name_,
              .found = "a request for " + format_bytes_of(bytes) + " with " +
                       format_bytes_of(use_.in_use_bytes) + " in use of " + format_bytes_of(limit_bytes_) +
                       " allowed and " + format_bytes_of(raw_->free_bytes()) + " free on the device",
              .expected = "memory for it",
              .remedy =
                  "Lower calibration.length, calibration.sequences or finetune.batch_tokens, raise "
                  "resources.ranks, or raise resources.memory where the device has more"};
}

}  // namespace cce
