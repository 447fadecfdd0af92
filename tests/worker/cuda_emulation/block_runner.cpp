#include "tests/worker/cuda_emulation/block_runner.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace cce::cuda_kernels {

// What kernels declare as `extern __shared__ unsigned char shared_bytes[]`.
alignas(1024) unsigned char shared_bytes[cuda_emulation::largest_shared_bytes];

}  // namespace cce::cuda_kernels

namespace cce::cuda_emulation {
namespace {

constexpr std::size_t stack_bytes = std::size_t{64} << 10;
constexpr unsigned most_threads = 1024;
constexpr unsigned char not_a_number = 0xff;  // every float of such bytes is a NaN

enum class Waiting { no, for_block, for_warp, done };

struct Fiber {
  ucontext_t context{};  ///< where it starts
  jmp_buf resumed{};     ///< where it goes on
  bool started = false;
  std::vector<unsigned char> stack = std::vector<unsigned char>(stack_bytes);
  ThreadPlace place;
  Waiting waiting = Waiting::no;
  int exchanges = 0;
};

}  // namespace

struct BlockRunner::State {
  ThreadOrder order;
  ucontext_t scheduler{};
  jmp_buf scheduler_resumed{};
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<std::uint64_t>
      given[2];  ///< by parity of a thread's exchanges: nobody overwrites what is still read
  std::size_t count = 0;
  std::size_t current = 0;
  const std::function<void()>* body = nullptr;
  const char* fault = nullptr;

  static State*& running() {
    static State* state = nullptr;  // a fiber's entry has no argument that holds a pointer
    return state;
  }

  Fiber& fiber() { return *fibers[current]; }

  static void enter() {
    State& state = *running();
    (*state.body)();
    state.fiber().waiting = Waiting::done;
    state.give_way();
  }

  // Fibers are made by makecontext and switched by _longjmp, which leaves the signal mask, a system call,
  // alone.
  void give_way() {
    if (_setjmp(fiber().resumed) == 0) {
      _longjmp(scheduler_resumed, 1);
    }
  }
  void resume_current() {
    if (_setjmp(scheduler_resumed) != 0) {
      return;
    }
    if (fiber().started) {
      _longjmp(fiber().resumed, 1);
    }
    fiber().started = true;
    swapcontext(&scheduler, &fiber().context);
  }

  void wait(Waiting what) {
    fiber().waiting = what;
    give_way();
  }

  void start(Extent block, Extent blocks, Extent threads) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto index = static_cast<unsigned>(i);
      Fiber& next = *fibers[i];
      next.place = {{index % threads.x, index / threads.x % threads.y, index / threads.x / threads.y},
                    block,
                    threads,
                    blocks};
      next.waiting = Waiting::no;
      next.exchanges = 0;
      next.started = false;
      getcontext(&next.context);
      next.context.uc_stack.ss_sp = next.stack.data();
      next.context.uc_stack.ss_size = next.stack.size();
      next.context.uc_link = nullptr;
      makecontext(&next.context, &State::enter, 0);
    }
  }

  /// Every thread that can run does, up to its next barrier. Returns whether one could.
  bool sweep() {
    bool moved = false;
    for (std::size_t i = 0; i < count; ++i) {
      current = order == ThreadOrder::ascending ? i : count - 1 - i;
      if (fiber().waiting == Waiting::no) {
        moved = true;
        resume_current();
      }
    }
    return moved && fault == nullptr;
  }

  std::size_t waiting_between(std::size_t first, std::size_t last, Waiting what) const {
    return static_cast<std::size_t>(std::count_if(fibers.begin() + static_cast<std::ptrdiff_t>(first),
                                                  fibers.begin() + static_cast<std::ptrdiff_t>(last),
                                                  [&](const auto& fiber) { return fiber->waiting == what; }));
  }

  /// Opens what all of its threads have reached. Returns whether something opened.
  bool release(std::size_t first, std::size_t last, Waiting what) {
    if (first == last || waiting_between(first, last, what) != last - first) {
      return false;
    }
    for (std::size_t i = first; i < last; ++i) {
      fibers[i]->waiting = Waiting::no;
    }
    return true;
  }

  void run_block() {
    while (waiting_between(0, count, Waiting::done) != count) {
      bool moved = sweep();
      moved = release(0, count, Waiting::for_block) || moved;
      for (std::size_t first = 0; first < count; first += warp_size) {
        moved = release(first, std::min(count, first + warp_size), Waiting::for_warp) || moved;
      }
      if (fault != nullptr) {
        throw KernelFault{fault};
      }
      if (!moved) {
        throw KernelFault{"a barrier that not all threads reach"};
      }
    }
  }
};

BlockRunner::BlockRunner(ThreadOrder order) : state_(std::make_unique<State>()) {
  state_->order = order;
}
BlockRunner::~BlockRunner() = default;

void BlockRunner::run(Extent blocks, Extent threads, std::size_t shared_bytes,
                      const std::function<void()>& body) {
  State& state = *state_;
  state.count = static_cast<std::size_t>(threads.x) * threads.y * threads.z;
  if (state.count == 0 || state.count > most_threads) {
    throw KernelFault{"a block of no or of more than 1024 threads"};
  }
  if (shared_bytes > largest_shared_bytes) {
    throw KernelFault{"more shared memory than there is"};
  }
  while (state.fibers.size() < state.count) {
    state.fibers.push_back(std::make_unique<Fiber>());
  }
  for (auto& given : state.given) {
    given.resize((state.count + warp_size - 1) / warp_size * warp_size);
  }
  state.body = &body;
  state.fault = nullptr;
  State::running() = &state;
  unsigned char* shared = cuda_kernels::shared_bytes;
  const std::size_t guard_end = std::min(largest_shared_bytes, shared_bytes + 4096);
  for (unsigned z = 0; z < blocks.z; ++z) {
    for (unsigned y = 0; y < blocks.y; ++y) {
      for (unsigned x = 0; x < blocks.x; ++x) {
        std::memset(shared, not_a_number, guard_end);
        state.start({x, y, z}, blocks, threads);
        state.run_block();
        if (std::any_of(shared + shared_bytes, shared + guard_end,
                        [](unsigned char byte) { return byte != not_a_number; })) {
          throw KernelFault{"a write past the block's shared memory"};
        }
      }
    }
  }
}

const ThreadPlace& BlockRunner::place() {
  return State::running()->fiber().place;
}

void BlockRunner::wait_for_block() {
  State::running()->wait(Waiting::for_block);
}

void BlockRunner::wait_for_warp() {
  State::running()->wait(Waiting::for_warp);
}

int BlockRunner::lane() {
  return static_cast<int>(State::running()->current) % warp_size;
}

const std::uint64_t* BlockRunner::exchange(std::uint64_t mine) {
  State& state = *State::running();
  std::vector<std::uint64_t>& given = state.given[state.fiber().exchanges++ % 2];
  const std::size_t self = state.current;
  given[self] = mine;
  state.wait(Waiting::for_warp);
  return given.data() + self / warp_size * warp_size;
}

void BlockRunner::fail(const char* what) {
  State& state = *State::running();
  state.fault = what;
  for (;;) {
    state.wait(Waiting::done);  // an exception must not leave a fiber: the scheduler throws
  }
}

unsigned char* shared_memory_begin() {
  return cuda_kernels::shared_bytes;
}

}  // namespace cce::cuda_emulation
