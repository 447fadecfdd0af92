#pragma once
#include <string>
#include <vector>

#include "common/cost/memory_forecast.h"
#include "common/job/partition.h"
#include "common/model/model_config.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// What one rank with its threads does per second: products in f32 and bf16, factorisations in f64, and
/// copies of memory.
struct MachineRates {
  double f32_flops = 0.0;
  double bf16_flops = 0.0;
  double f64_flops = 0.0;
  double memory_bytes = 0.0;
};

/// Without a probe: what whole stages reached per core on servers with AVX-512 and AMX, times `threads`; bf16
/// at the f32 rate where the processor has no bf16 products.
MachineRates assumed_rates(std::int64_t threads, bool has_bf16);

/// A GPU's where none was measured: half of what NVIDIA's data sheet of the A100 promises its tensor cores
/// (bf16 312 and f64 19.5 TFLOPS) and its other cores (f32 19.5); memory is the host's, through which files
/// are read.
MachineRates assumed_gpu_rates(std::int64_t host_threads);

/// Reads what `cce-worker --probe` prints, one JSON object {gemm_f32_flops, gemm_bf16_flops, gemm_f64_flops,
/// memory_bytes} per second. Errors: malformed_file, wrong_type, out_of_range.
MachineRates parse_rates(const std::string& json_text, const std::string& where);

/// Seconds of each of the job's stages on one rank. With F the forward FLOPs of a token, T tokens of the
/// rank, Tg those that run backward, and the widths of memory_forecast.h:
///   calibrate  Tg (3 F + 2 Σ over layers (2 m² + 2 n² + 2 d²)) at the product rate
///   analyze    Σ owned layers 9 (m³ + n³) at the f64 rate
///   make_plan  Σ owned layers 2.6 (m³ + n³) + 7 d³ at the f64 rate
///   encode     T (2 F + 2 Σ (m² + m d)) at the product rate + Σ all layers (m³ / 3 + 2 m² d) at the f64
///              rate, which is serial
///   finetune   F + 4 F_s a token at the product rate, F_s of the student (forward, again in the backward
///              pass, and twice that for gradients), over max_tokens, at most max_seconds; with max_seconds
///              alone, all of it
///   evaluate   2 F per token and model; a text's windows where the recipe bounds them, else its bytes / 4 as
///              tokens
///   export     bytes written and read back at a tenth of memory bandwidth, plus two windows forward
std::vector<StageForecast> forecast_seconds(const JobSpec& spec, const ModelConfig& config,
                                            const CheckpointSize& size, const Partition& partition,
                                            std::int64_t rank, const MachineRates& rates);

}  // namespace cce
