#pragma once
#include <vector>

#include "common/cost/memory_forecast.h"

namespace cce {

/// What a rank takes of its node's memory where its GPU computes (resources.device cuda), by stage; the GPU's
/// own memory is forecast_memory. With the letters of forecast_memory, p the parameters of the largest layer:
///   all stages  program, CUDA context and CUDA's libraries, 1 GiB: assumed, since no GPU could be measured;
///               pages of the mapped checkpoint; two packed layers 2 p w and two buffers of 16 MiB for
///               copies, all pinned
///   make_plan   starting layers of the owned layers, f32, with two d × d metrics each; one that is prepared,
///               before and after its selection, 8 p
///   encode      starting layers
///   finetune    the teacher's mapped checkpoint where it has its own, and two packed layers of the teacher;
///               a layer on its way to or from state/, 4 p; with beta > 0 the signatures and slopes of L_sim,
///               16 L S (training_memory.h)
///   evaluate    a layer as state/ has it, 4 p
///   export      a layer and the embedding in f32 while they are written, 4 (p + V d)
/// Bytes. Pure.
std::vector<StageMemory> forecast_host_memory(const JobSpec& spec, const ModelConfig& config,
                                              const CheckpointSize& size, const Partition& partition,
                                              std::int64_t rank);

}  // namespace cce
