#pragma once
#include <cstdint>

#include "common/cost/memory_forecast.h"
#include "common/cost/time_forecast.h"
#include "common/job/partition.h"
#include "common/model/model_config.h"
#include "common/recipe/job_spec.h"
#include "coordinator/system/machine.h"

namespace cce {

/// Who owns which layer and which sequences, from the checkpoint's header alone (docs/method.md 4):
///   1. sequences: contiguous, near-equal
///   2. owners: layers by falling work (m³ + n³), each to the rank with the least so far; equal work is
///      dealt to the ranks in turn
///   3. micro-batches of about 2048 tokens, chunks of eight sequences; both shrink, the chunk first, until
///      every rank's forecast is within its memory (spec.resources.memory_bytes, else an equal share of the
///      machine's; with resources.device cuda and no memory given, anything is)
///   4. forecasts of memory and seconds
/// 3 starts from constants, not from the machine, so that machines with enough memory give the same sums.
/// Errors: out_of_range for more ranks than sequences (names the largest useful number); does_not_fit with
/// the largest rank's need and the smallest number of ranks that fits, if one does.
Partition make_partition(const JobSpec& spec, const ModelConfig& config, const CheckpointSize& size,
                         const Machine& machine, const MachineRates& rates);

}  // namespace cce
