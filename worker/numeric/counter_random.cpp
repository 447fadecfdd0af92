#include "worker/numeric/counter_random.h"

#include <cmath>
#include <numbers>

#include "worker/numeric/host_matrix.h"

namespace cce {
namespace {

constexpr std::uint32_t multiplier_0 = 0xD2511F53u;
constexpr std::uint32_t multiplier_1 = 0xCD9E8D57u;
constexpr std::uint32_t weyl_0 = 0x9E3779B9u;  // golden ratio
constexpr std::uint32_t weyl_1 = 0xBB67AE85u;  // √3 − 1
constexpr int rounds = 10;

std::uint32_t low_word(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}
std::uint32_t high_word(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}

double unit_interval(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 32) | low;
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < rounds; ++round) {
    const std::uint64_t product_0 = std::uint64_t{multiplier_0} * counter[0];
    const std::uint64_t product_1 = std::uint64_t{multiplier_1} * counter[2];
    counter = {high_word(product_1) ^ counter[1] ^ key[0], low_word(product_1),
               high_word(product_0) ^ counter[3] ^ key[1], low_word(product_0)};
    key[0] += weyl_0;
    key[1] += weyl_1;
  }
  return counter;
}

std::array<std::uint32_t, 4> CounterRandom::block(std::uint64_t index) const {
  return philox4x32_10({low_word(index), high_word(index), low_word(stream_), high_word(stream_)},
                       {low_word(seed_), high_word(seed_)});
}

double CounterRandom::uniform(std::uint64_t index) const {
  const auto words = block(index);
  return unit_interval(words[0], words[1]);
}

float CounterRandom::uniform_float(std::uint64_t index) const {
  return static_cast<float>(block(index)[0] >> 8) * 0x1.0p-24f;
}

double CounterRandom::normal(std::uint64_t index) const {
  const auto words = block(index);
  const double radius = std::sqrt(-2.0 * std::log1p(-unit_interval(words[0], words[1])));
  return radius * std::cos(2.0 * std::numbers::pi * unit_interval(words[2], words[3]));
}

void fill_normal(Backend& backend, const CounterRandom& random, double standard_deviation, Matrix target) {
  expect_f64(target, target.rows, target.cols, "fill_normal, target");
  HostEdit host(backend, target, HostEdit::Start::uninitialised);
  for (std::int64_t i = 0; i < target.rows; ++i) {
    double* row = row_of(host.view(), i);
    for (std::int64_t j = 0; j < target.cols; ++j) {
      row[j] = standard_deviation * random.normal(static_cast<std::uint64_t>(i * target.cols + j));
    }
  }
  host.write_back();
}

}  // namespace cce
