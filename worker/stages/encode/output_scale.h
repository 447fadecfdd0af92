#pragma once
#include "worker/passes/stage_context.h"
#include "worker/stages/encode/stream_pair.h"

namespace cce {

/// The factor of the last norm's gain with which the compressed model's next-token loss on the held-out
/// sequences is least: a compressed model is more certain than it is right, and the factor divides its
/// logits' temperature.
///   1. loss at 0.75, 0.80, … 1.10
///   2. the parabola through the best of them and its neighbours
///   3. its minimum
/// streams: after the last layer. 1 where nothing is held out. Collective; the same on every rank.
double choose_output_scale(StageContext& context, StreamPair& streams);

}  // namespace cce
