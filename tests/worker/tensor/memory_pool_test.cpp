#include "worker/tensor/memory_pool.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "common/base/error.h"

namespace cce {
namespace {

constexpr std::size_t piece = MemoryPool::piece_bytes;
constexpr std::size_t grain = MemoryPool::granularity_bytes;

/// Addresses that nobody touches, so many bytes of them.
class FakeMemory final : public RawMemory {
 public:
  FakeMemory(std::size_t bytes, int& pieces) : free_(bytes), pieces_(pieces) {}
  void* take(std::size_t bytes) override {
    if (bytes > free_) {
      return nullptr;
    }
    free_ -= bytes;
    ++pieces_;
    void* const memory = reinterpret_cast<void*>(next_);
    next_ += 2 * bytes;  // pieces are no neighbours
    sizes_[memory] = bytes;
    return memory;
  }
  void give_back(void* memory) noexcept override {
    free_ += sizes_.at(memory);
    sizes_.erase(memory);
    --pieces_;
  }
  std::size_t free_bytes() override { return free_; }

 private:
  std::size_t free_;
  int& pieces_;
  std::uintptr_t next_ = std::uintptr_t{1} << 32;
  std::map<void*, std::size_t> sizes_;
};

class MemoryPoolTest : public ::testing::Test {
 protected:
  MemoryPool make(std::size_t device_bytes, std::size_t limit_bytes) {
    return {"memory of a test", std::make_unique<FakeMemory>(device_bytes, pieces_), limit_bytes};
  }
  int pieces_ = 0;
};

TEST_F(MemoryPoolTest, small_blocks_share_a_piece_and_neighbours_become_one_again) {
  MemoryPool pool = make(4 * piece, 4 * piece);
  void* const a = pool.take(1);
  void* const b = pool.take(grain + 1);
  void* const c = pool.take(grain);
  EXPECT_EQ(pieces_, 1);
  EXPECT_EQ(static_cast<std::byte*>(b) - static_cast<std::byte*>(a), static_cast<std::ptrdiff_t>(grain));
  EXPECT_EQ(pool.use().in_use_bytes, 4 * grain);
  pool.give_back(a);
  pool.give_back(c);
  pool.give_back(b);
  EXPECT_EQ(pool.use().in_use_bytes, 0u);
  EXPECT_EQ(pool.take(piece), a);  // the whole piece again
  EXPECT_EQ(pieces_, 1);
  EXPECT_EQ(pool.use().peak_in_use_bytes, piece);
}

TEST_F(MemoryPoolTest, the_smallest_block_that_is_large_enough_serves) {
  MemoryPool pool = make(4 * piece, 4 * piece);
  void* const large = pool.take(8 * grain);
  void* const wall = pool.take(grain);
  void* const small = pool.take(2 * grain);
  void* const other_wall = pool.take(grain);
  pool.give_back(large);
  pool.give_back(small);
  EXPECT_EQ(pool.take(2 * grain), small);
  EXPECT_EQ(pool.take(3 * grain), large);
  EXPECT_NE(wall, other_wall);
}

TEST_F(MemoryPoolTest, free_pieces_go_back_before_a_request_is_refused) {
  MemoryPool pool = make(3 * piece, 3 * piece);
  void* const a = pool.take(piece);
  void* const b = pool.take(piece);
  pool.give_back(a);
  pool.give_back(b);
  EXPECT_EQ(pieces_, 2);
  EXPECT_NE(pool.take(3 * piece), nullptr);
  EXPECT_EQ(pieces_, 1);
  EXPECT_EQ(pool.use().reserved_bytes, 3 * piece);
  EXPECT_EQ(pool.use().peak_reserved_bytes, 3 * piece);
}

struct RefusalRow {
  const char* name;
  std::size_t device_bytes, limit_bytes;
};

TEST_F(MemoryPoolTest, refusals_say_what_was_asked_what_is_free_and_what_to_lower) {
  for (const RefusalRow& row :
       {RefusalRow{"limit", 8 * piece, 2 * piece}, RefusalRow{"device", 2 * piece, 8 * piece}}) {
    MemoryPool pool = make(row.device_bytes, row.limit_bytes);
    pool.take(piece);
    try {
      pool.take(2 * piece);
      ADD_FAILURE() << row.name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::does_not_fit);
      EXPECT_EQ(error.where, "memory of a test");
      EXPECT_NE(error.found.find("64.0 MiB"), std::string::npos) << error.found;
      EXPECT_NE(error.found.find("32.0 MiB in use"), std::string::npos) << error.found;
      EXPECT_NE(error.remedy.find("calibration.length"), std::string::npos) << error.remedy;
      EXPECT_NE(error.remedy.find("resources.memory"), std::string::npos) << error.remedy;
    }
    EXPECT_NE(pool.take(piece / 2), nullptr) << row.name;  // a refusal breaks nothing
  }
}

TEST_F(MemoryPoolTest, a_request_near_the_limit_is_not_rounded_past_it) {
  MemoryPool pool = make(piece, 3 * grain);
  EXPECT_NE(pool.take(3 * grain), nullptr);
  EXPECT_THROW(pool.take(1), Error);
}

TEST_F(MemoryPoolTest, random_use_never_overlaps_and_ends_where_it_began) {
  std::mt19937 engine(5);
  {
    MemoryPool pool = make(64 * piece, 64 * piece);
    std::map<std::byte*, std::size_t> blocks;
    std::size_t held = 0;
    for (int step = 0; step < 4000; ++step) {
      if (blocks.empty() || engine() % 5 < 3) {
        const std::size_t bytes = engine() % 7 == 0 ? engine() % (2 * piece) + 1 : engine() % 100000 + 1;
        if (held + bytes > 16 * piece) {
          continue;
        }
        auto* const start = static_cast<std::byte*>(pool.take(bytes));
        const auto next = blocks.upper_bound(start);
        ASSERT_TRUE(next == blocks.end() || start + bytes <= next->first);
        ASSERT_TRUE(next == blocks.begin() || std::prev(next)->first + std::prev(next)->second <= start);
        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(start) % 256, 0u);
        blocks[start] = bytes;
        held += bytes;
      } else {
        const auto gone = std::next(blocks.begin(), static_cast<std::ptrdiff_t>(engine() % blocks.size()));
        held -= gone->second;
        pool.give_back(gone->first);
        blocks.erase(gone);
      }
    }
    for (const auto& [start, bytes] : blocks) {
      pool.give_back(start);
    }
    EXPECT_EQ(pool.use().in_use_bytes, 0u);
    pool.trim();
    EXPECT_EQ(pool.use().reserved_bytes, 0u);
  }
  EXPECT_EQ(pieces_, 0);
}

}  // namespace
}  // namespace cce
