#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "common/model/rope_settings.h"

namespace cce {

/// Angular frequencies of a head's rotary pairs, radians per position, head_dim / 2 of them, for a text of `length`
/// positions, in f32 as transformers 5.24 computes them. f_j = 1 / θ^(2j / head_dim), and with a scaling (s = factor,
/// n = original positions):
///   linear   f_j / s
///   dynamic  θ replaced by θ (s length / n − (s − 1))^(head_dim / (head_dim − 2)), n = max_positions, length at least n
///   yarn     r_j f_j / s + (1 − r_j) f_j, r_j rising from 0 to 1 between the pairs that turn beta_fast and beta_slow
///            times over n positions
///   longrope f_j / e_j, e the short factors up to n positions, the long ones beyond
///   llama3   with λ_j = 2π / f_j: f_j where λ_j < n / high_freq_factor; f_j / s where λ_j > n / low_freq_factor; between
///            them (1 − m) f_j / s + m f_j with m = (n / λ_j − low) / (high − low)
std::vector<float> rope_frequencies(const RopeSettings& rope, std::int64_t head_dim, std::int64_t length);

/// What cosines and sines are multiplied by: 1 without yarn or longrope.
float rope_attention_factor(const RopeSettings& rope);

/// Whether texts of these two lengths turn by the same frequencies; of several settings, by all of them.
bool same_frequencies(const RopeSettings& rope, std::int64_t length, std::int64_t other_length);
bool same_frequencies(std::span<const RopeSettings> ropes, std::int64_t length, std::int64_t other_length);

}  // namespace cce
