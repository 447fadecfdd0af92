#pragma once
#include <string>

namespace cce {

/// What this machine does with `threads` threads: {"gemm_f32_flops", "gemm_bf16_flops", "gemm_f64_flops",
/// "memory_bytes"} per second, JSON on one line. Products of 1024² × 2048; copies of 64 MiB, bytes read and
/// written both counted. The best of a few repetitions; takes about a second.
std::string probe_rates(int threads);

}  // namespace cce
