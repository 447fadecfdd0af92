#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

/// Runs CUDA kernels that the host's compiler compiled: the threads of a block are fibers that give way at
/// barriers and warp exchanges, blocks run one after another. A check of the kernels' logic (indices, masks,
/// barriers, shared memory), not of a GPU: no timing, no memory model, no rounding of a device's own units.
namespace cce::cuda_emulation {

struct Extent {
  unsigned x = 1, y = 1, z = 1;
};

/// What one thread of a kernel knows about itself.
struct ThreadPlace {
  Extent thread, block, threads, blocks;
};

/// In which order the threads of a block run between two barriers. A kernel that lacks a barrier gives other
/// results under one of them.
enum class ThreadOrder { ascending, descending };

/// What a kernel did that a GPU would not forgive: `what` in the message.
struct KernelFault {
  const char* what;
};

inline constexpr int warp_size = 32;
inline constexpr std::size_t largest_shared_bytes = std::size_t{256} << 10;

/// One at a time per process: kernels find their thread through it. Not thread-safe.
class BlockRunner {
 public:
  explicit BlockRunner(ThreadOrder order);
  ~BlockRunner();
  BlockRunner(const BlockRunner&) = delete;
  BlockRunner& operator=(const BlockRunner&) = delete;

  /// Calls `body` once as every thread of every block. Shared memory starts as NaNs in every block. Faults,
  /// thrown as KernelFault: a barrier or exchange that some threads of the block or warp never reach, or
  /// reach at another kind of place; writes past shared_bytes; blocks of no or more than 1024 threads.
  void run(Extent blocks, Extent threads, std::size_t shared_bytes, const std::function<void()>& body);

  // For the kernels, through cuda_runtime.h and mma.h.
  static const ThreadPlace& place();
  static void wait_for_block();
  /// Gives `mine` to the warp and returns what its lanes gave, once all of them are here; valid until the
  /// exchange after the next.
  static const std::uint64_t* exchange(std::uint64_t mine);
  /// Waits for the whole warp.
  static void wait_for_warp();
  static int lane();
  /// Ends the run with this fault.
  [[noreturn]] static void fail(const char* what);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The dynamic shared memory of the block that runs.
unsigned char* shared_memory_begin();

}  // namespace cce::cuda_emulation
