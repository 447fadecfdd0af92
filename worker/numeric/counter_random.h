#pragma once
#include <array>
#include <cstdint>

#include "common/job/random_streams.h"
#include "worker/tensor/backend.h"
#include "worker/tensor/matrix.h"

namespace cce {

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11): ten
/// rounds of a keyed bijection of a 128-bit counter. Pure: any element of any stream is computed alone, in
/// any order, on any rank, with the same bits.
std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key);

/// Random numbers addressed by (seed, stream, index): the key is the seed, the counter is (index, stream),
/// low words first. Streams are listed in common/job/random_streams.h; element `index` of one stream never depends on another
/// element. Immutable: threads may share it.
class CounterRandom {
 public:
  CounterRandom(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}
  /// member: of streams that stand for a row of them.
  CounterRandom(std::uint64_t seed, RandomStream stream, std::uint64_t member = 0)
      : CounterRandom(seed, static_cast<std::uint64_t>(stream) + member) {}

  std::array<std::uint32_t, 4> block(std::uint64_t index) const;
  /// Uniform on [0, 1), multiples of 2⁻⁵³.
  double uniform(std::uint64_t index) const;
  /// Uniform on [0, 1), multiples of 2⁻²⁴: exact in f32.
  float uniform_float(std::uint64_t index) const;
  /// Standard normal: √(−2 ln(1 − u₁)) cos(2π u₂) of the two uniforms of one block (Box-Muller).
  double normal(std::uint64_t index) const;

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
};

/// target_ij ← standard deviation × normal(i · cols + j) of the stream (both halves of Box-Muller are not
/// used, so that an element depends on its own index only). target f64; drawn on the host.
void fill_normal(Backend& backend, const CounterRandom& random, double standard_deviation, Matrix target);

}  // namespace cce
