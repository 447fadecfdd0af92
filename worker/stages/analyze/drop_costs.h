#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "worker/passes/stage_context.h"
#include "worker/stages/calibrate/calibration_data.h"

namespace cce {

/// What leaving a part out of the dense model costs: the measured rise of the mean next-token loss, nats per
/// token. One entry per layer, 0 where the layer lacks the part; no entries where it was not measured. A rise
/// below 0 is a fall.
struct DropCosts {
  std::vector<double> attention, ffn;  ///< one half of the layer left out
  std::vector<double> layers;          ///< both
};

/// Called on every rank after each visit of a layer; may be collective.
using AfterVisit = std::function<void(std::int64_t layer)>;

/// How often measure_drop_costs will call its AfterVisit.
std::int64_t drop_cost_visits(const StageContext& context, const CalibrationData& data, bool blocks,
                              bool layers);

/// Measures on at most 8 calibration sequences, spread evenly and divided over the ranks, with their own next
/// tokens as labels.
///   cost_k = mean loss(part k left out) − mean loss(dense)
///   1. per kind of part, one sweep over the layers: layer k's visit runs it on the dense stream and on the
///      streams of all parts before it, and starts the stream that lacks part k
///   2. the losses at the end of all L + 1 streams, summed over the ranks
/// A kind costs (L + 3) / 2 forward passes of these sequences and L + 1 streams of a chunk: less memory than
/// calibrate takes. Collective. Errors: cancelled, does_not_fit, worker_died.
DropCosts measure_drop_costs(StageContext& context, const CalibrationData& data, bool blocks, bool layers,
                             const AfterVisit& after_visit);

}  // namespace cce
