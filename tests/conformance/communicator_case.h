#pragma once
/// What suites over communicators share: how an implementation presents itself, inputs, expected values.
///
/// Inputs and expected values are functions of (seed, rank, index), small integers whose sums are exact in
/// fp32: wrong elements are counted, never compared within a tolerance. Messages are a few bytes long, so
/// that arguments of a few hundred bytes cross the limit on the length of a message.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "worker/comm/communicator.h"

namespace cce::communicator_suite {

using RankBody = std::function<void(Communicator&)>;

/// How to run one body on every rank. `run` returns once all ranks have ended, and reports what they throw.
struct CommunicatorCase {
  std::string name;
  int ranks = 1;
  std::function<void(const CommunicatorOptions&, const RankBody&)> run;
};
inline std::ostream& operator<<(std::ostream& out, const CommunicatorCase& value) {
  return out << value.name;
}
inline std::string case_name(const testing::TestParamInfo<CommunicatorCase>& info) {
  return info.param.name;
}

constexpr CommunicatorOptions short_messages{.deadline_seconds = 20.0, .message_bytes = 64};
constexpr CommunicatorOptions short_deadline{.deadline_seconds = 0.2, .message_bytes = 64};
/// None, one, odd, one message of 64 bytes exactly, one more, many blocks.
constexpr std::size_t lengths[] = {0, 1, 3, 7, 16, 17, 64, 65, 1001};

/// A counter-based generator: splitmix64's finaliser.
inline std::uint64_t mix(std::uint64_t seed, int rank, std::size_t index) {
  std::uint64_t value =
      seed * 0x9e3779b97f4a7c15u + static_cast<std::uint64_t>(rank) * 0xbf58476d1ce4e5b9u + index;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

/// Integers in [−1024, 1023].
template <typename T>
T input(std::uint64_t seed, int rank, std::size_t index) {
  return static_cast<T>(static_cast<int>(mix(seed, rank, index) % 2048) - 1024);
}
template <typename T>
T expected_sum(std::uint64_t seed, int ranks, std::size_t index) {
  T sum = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    sum += input<T>(seed, rank, index);
  }
  return sum;
}
template <typename T>
std::vector<T> inputs(std::uint64_t seed, int rank, std::size_t length) {
  std::vector<T> values(length);
  for (std::size_t index = 0; index < length; ++index) {
    values[index] = input<T>(seed, rank, index);
  }
  return values;
}
template <typename T>
std::size_t count_wrong_sums(std::span<const T> values, std::uint64_t seed, int ranks) {
  std::size_t wrong = 0;
  for (std::size_t index = 0; index < values.size(); ++index) {
    wrong += values[index] == expected_sum<T>(seed, ranks, index) ? 0 : 1;
  }
  return wrong;
}

inline std::vector<std::byte> input_bytes(std::uint64_t seed, int rank, std::size_t length) {
  std::vector<std::byte> bytes(length);
  for (std::size_t index = 0; index < length; ++index) {
    bytes[index] = static_cast<std::byte>(mix(seed, rank, index) & 0xff);
  }
  return bytes;
}

/// Values whose sum depends on the order of additions: magnitudes from 2⁻³⁰ to 2³³, both signs.
template <typename T>
T order_sensitive_input(int rank, std::size_t index) {
  const std::uint64_t bits = mix(17, rank, index);
  const T mantissa = static_cast<T>(static_cast<double>(bits % 100003) / 100003.0 - 0.5);
  return std::ldexp(mantissa, static_cast<int>(bits >> 40) % 64 - 30);
}

inline std::optional<Error> error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

/// The base of every suite: a body runs on each of the implementation's ranks.
class CommunicatorTest : public testing::TestWithParam<CommunicatorCase> {
 protected:
  int ranks() const { return GetParam().ranks; }
  int last_rank() const { return ranks() - 1; }
  void run(const CommunicatorOptions& options, const RankBody& body) const { GetParam().run(options, body); }
};

}  // namespace cce::communicator_suite
