#include "worker/model/rope_frequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <type_traits>

namespace cce {
namespace {

/// θ^(2j / head_dim) for every pair j: the power in double rounded once is the correctly rounded f32 power.
std::vector<float> powers(double theta, std::int64_t head_dim) {
  const auto base = static_cast<double>(static_cast<float>(theta));
  std::vector<float> result;
  for (std::int64_t dim = 0; dim < head_dim; dim += 2) {
    const float exponent = static_cast<float>(dim) / static_cast<float>(head_dim);
    result.push_back(static_cast<float>(std::pow(base, static_cast<double>(exponent))));
  }
  return result;
}

std::vector<float> inverses(std::vector<float> values) {
  for (float& value : values) value = 1.0f / value;
  return values;
}

/// All functions below: the frequencies of θ's powers under one scaling.
struct Scaled {
  double theta;
  std::int64_t head_dim, length;

  std::vector<float> operator()(const LinearRope& scaling) const {
    std::vector<float> frequencies = inverses(powers(theta, head_dim));
    for (float& frequency : frequencies) frequency /= static_cast<float>(scaling.factor);
    return frequencies;
  }

  std::vector<float> operator()(const DynamicRope& scaling) const {
    const auto longest = static_cast<double>(std::max(length, scaling.max_positions));
    const double growth =
        scaling.factor * longest / static_cast<double>(scaling.max_positions) - (scaling.factor - 1.0);
    const auto dims = static_cast<double>(head_dim);
    return inverses(powers(theta * std::pow(growth, dims / (dims - 2.0)), head_dim));
  }

  /// The pair that turns `turns` times over the original length, as a real number.
  double pair_of_turns(double turns, const YarnRope& scaling) const {
    const auto original = static_cast<double>(scaling.original_max_position);
    return static_cast<double>(head_dim) * std::log(original / (turns * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(theta));
  }

  std::vector<float> operator()(const YarnRope& scaling) const {
    double low = pair_of_turns(scaling.beta_fast, scaling), high = pair_of_turns(scaling.beta_slow, scaling);
    if (scaling.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, static_cast<double>(head_dim - 1));
    if (low == high) high += 0.001;  // as transformers does: a ramp needs a width
    std::vector<float> frequencies = powers(theta, head_dim);
    for (std::size_t pair = 0; pair < frequencies.size(); ++pair) {
      const float power = frequencies[pair];
      const float slowed = 1.0f / (static_cast<float>(scaling.factor) * power);
      const float ramp = std::clamp(
          (static_cast<float>(pair) - static_cast<float>(low)) / static_cast<float>(high - low), 0.0f, 1.0f);
      const float kept = 1.0f - ramp;
      frequencies[pair] = slowed * (1.0f - kept) + 1.0f / power * kept;
    }
    return frequencies;
  }

  std::vector<float> operator()(const LongRope& scaling) const {
    const std::vector<double>& factors =
        length > scaling.original_max_position ? scaling.long_factor : scaling.short_factor;
    std::vector<float> frequencies = powers(theta, head_dim);
    for (std::size_t pair = 0; pair < frequencies.size(); ++pair) {
      frequencies[pair] = 1.0f / (static_cast<float>(factors[pair]) * frequencies[pair]);
    }
    return frequencies;
  }

  static float scaled(float frequency, const Llama3Rope& scaling) {
    const auto factor = static_cast<float>(scaling.factor);
    const auto original = static_cast<double>(scaling.original_max_position);
    const float wavelength = static_cast<float>(2.0 * std::numbers::pi) / frequency;
    const auto shortest_scaled = static_cast<float>(original / scaling.high_freq_factor);
    const auto longest_kept = static_cast<float>(original / scaling.low_freq_factor);
    if (wavelength < shortest_scaled) return frequency;
    if (wavelength > longest_kept) return frequency / factor;
    const auto low = static_cast<float>(scaling.low_freq_factor);
    const auto high = static_cast<float>(scaling.high_freq_factor);
    const float mix = (static_cast<float>(original) / wavelength - low) / (high - low);
    return (1.0f - mix) * frequency / factor + mix * frequency;
  }

  std::vector<float> operator()(const Llama3Rope& scaling) const {
    std::vector<float> frequencies = inverses(powers(theta, head_dim));
    for (float& frequency : frequencies) frequency = scaled(frequency, scaling);
    return frequencies;
  }
};

}  // namespace

std::vector<float> rope_frequencies(const RopeSettings& rope, std::int64_t head_dim, std::int64_t length) {
  if (!rope.scaling) return inverses(powers(rope.theta, head_dim));
  return std::visit(Scaled{rope.theta, head_dim, length}, *rope.scaling);
}

float rope_attention_factor(const RopeSettings& rope) {
  if (!rope.scaling) return 1.0f;
  return std::visit(
      [](const auto& scaling) {
        if constexpr (requires { scaling.attention_factor; }) {
          return static_cast<float>(scaling.attention_factor);
        } else {
          return 1.0f;
        }
      },
      *rope.scaling);
}

bool same_frequencies(const RopeSettings& rope, std::int64_t length, std::int64_t other_length) {
  if (!rope.scaling) return true;
  if (const auto* dynamic = std::get_if<DynamicRope>(&*rope.scaling)) {
    return std::max(length, dynamic->max_positions) == std::max(other_length, dynamic->max_positions);
  }
  if (const auto* longrope = std::get_if<LongRope>(&*rope.scaling)) {
    return (length > longrope->original_max_position) == (other_length > longrope->original_max_position);
  }
  return true;
}

bool same_frequencies(std::span<const RopeSettings> ropes, std::int64_t length, std::int64_t other_length) {
  return std::all_of(ropes.begin(), ropes.end(),
                     [&](const RopeSettings& rope) { return same_frequencies(rope, length, other_length); });
}

}  // namespace cce
