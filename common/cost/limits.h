#pragma once
#include <cstdint>

/// Limits that a stage works within and its forecast adds up: each stands here and nowhere else.
namespace cce::cost {

/// s, the width of the sketches of cross-layer similarity (docs/method.md 3.1).
inline constexpr std::int64_t sketch_width = 256;
/// Windows that the covariances of L_sim are measured on, over all ranks.
inline constexpr std::int64_t similarity_windows = 16;
/// Calibration sequences that dropped blocks and layers are measured on, over all ranks.
inline constexpr std::int64_t drop_cost_sequences = 8;
/// Pages of a CPU's large matrices; a matrix of at least two is held in whole ones.
inline constexpr std::int64_t huge_page_bytes = std::int64_t{2} << 20;
/// Rows of logits that a CPU computes at once in the output layer.
inline constexpr std::int64_t cpu_logits_rows = 256;
/// Logits that a GPU computes at once.
inline constexpr std::int64_t gpu_logits = std::int64_t{1} << 25;

}  // namespace cce::cost
