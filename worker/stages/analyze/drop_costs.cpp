#include "worker/stages/analyze/drop_costs.h"

#include <algorithm>
#include <span>
#include <utility>

#include "common/cost/limits.h"
#include "worker/passes/allocate.h"
#include "worker/passes/checkpoint_layers.h"
#include "worker/passes/output_loss.h"
#include "worker/passes/sweep.h"
#include "worker/passes/token_share.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

enum class Part { attention, ffn, layer };

std::vector<Part> parts_of(bool blocks, bool layers) {
  std::vector<Part> parts;
  if (blocks) {
    parts = {Part::attention, Part::ffn};
  }
  if (layers) {
    parts.push_back(Part::layer);
  }
  return parts;
}

bool has_part(const LayerShape& shape, Part part) {
  return (part != Part::ffn && shape.has_attention) || (part != Part::attention && shape.has_ffn);
}

/// The layer as a pass is to see it when `part` is left out.
LayerWeights without(LayerWeights weights, Part part) {
  weights.shape.has_attention = weights.shape.has_attention && part == Part::ffn;
  weights.shape.has_ffn = weights.shape.has_ffn && part == Part::attention;
  return weights;
}

/// Which of the calibration windows are measured, and this rank's share of them.
struct MeasuredSequences {
  MeasuredSequences(const StageContext& context, const CalibrationData& data) {
    const auto available = static_cast<std::int64_t>(data.windows.size());
    indices = spread_evenly(available, std::min(cost::drop_cost_sequences, available));
    share = share_windows(static_cast<std::int64_t>(indices.size()),
                          std::max<std::int64_t>(context.partition.chunk_sequences, 1), context.communicator);
  }

  std::vector<std::int64_t> indices;
  TokenShare share;
};

class DropMeasurement {
 public:
  DropMeasurement(StageContext& context, const CalibrationData& data, const AfterVisit& after_visit)
      : context_(context),
        data_(data),
        after_visit_(after_visit),
        backend_(context.backend),
        source_(context.checkpoint, context.compute_dtype),
        sweep_(context, context.dense(), source_, context.delivery),
        ends_(context.checkpoint.end_weights(context.backend, context.compute_dtype)),
        output_(context, sweep_.runner(), ends_, data.length),
        sequences_(context, data) {
    streams_ = allocate_each(backend_, context.compute_dtype,
                             cost::drop_streams_size(context.dense(), sequences_.share.chunk * data.length));
  }

  std::vector<double> measure(Part part) {
    std::vector<double> sums(streams_.size(), 0.0);
    for (std::int64_t chunk = 0; chunk < sequences_.share.chunks; ++chunk) {
      const SequenceRange range = sequences_.share.of_chunk(chunk);
      embed(range.first, range.count);
      sweep(part, range.count);                          // 1.
      add_losses(range.first, range.count, part, sums);  // 2.
    }
    context_.communicator.all_reduce_sum(std::span<double>(sums));
    const double predictions =
        static_cast<double>(sequences_.indices.size()) * static_cast<double>(data_.length - 1);
    std::vector<double> rises(sums.size() - 1, 0.0);
    for (std::size_t layer = 0; layer < rises.size(); ++layer) {
      if (has_part(shape_of(layer), part)) {
        rises[layer] = (sums[layer + 1] - sums[0]) / predictions;
      }
    }
    return rises;
  }

 private:
  const LayerShape& shape_of(std::size_t layer) const { return context_.dense().layers[layer]; }

  const std::vector<std::int32_t>& window(std::int64_t measured) const {
    return data_.windows[static_cast<std::size_t>(sequences_.indices[static_cast<std::size_t>(measured)])];
  }

  void embed(std::int64_t first, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      ops::embed(backend_, window(first + i), std::as_const(ends_.embedding).view(),
                 embedding_scale(context_.dense(), context_.compute_dtype),
                 streams_[0].view().rows_from(i * data_.length, data_.length));
    }
  }

  // 1.
  void sweep(Part part, std::int64_t count) {
    sweep_.forward([&](const Sweep::Visit& visit) {
      sweep_.for_each_micro_batch({count, data_.length}, [&](std::int64_t first, TokenBatch batch) {
        advance(visit.weights, part, static_cast<std::size_t>(visit.layer), first, batch);
      });
      after_visit_(visit.layer);
    });
  }

  void advance(const LayerWeights& weights, Part part, std::size_t layer, std::int64_t first_token,
               TokenBatch batch) {
    const auto rows = [&](std::size_t stream) {
      return streams_[stream].view().rows_from(first_token, batch.tokens());
    };
    for (std::size_t earlier = 0; earlier < layer; ++earlier) {
      if (has_part(shape_of(earlier), part)) {
        sweep_.pass(weights, batch, rows(earlier + 1));
      }
    }
    if (has_part(weights.shape, part)) {
      ops::convert(backend_, rows(0), rows(layer + 1));
      sweep_.pass(without(weights, part), batch, rows(layer + 1));
    }
    sweep_.pass(weights, batch, rows(0));
  }

  // 2.
  void add_losses(std::int64_t first, std::int64_t count, Part part, std::vector<double>& sums) {
    for (std::size_t stream = 0; stream < streams_.size(); ++stream) {
      if (stream > 0 && !has_part(shape_of(stream - 1), part)) {
        continue;
      }
      for (std::int64_t i = 0; i < count; ++i) {
        sums[stream] +=
            loss_sum(streams_[stream].view().rows_from(i * data_.length, data_.length), window(first + i));
      }
    }
  }

  double loss_sum(ConstMatrix stream, const std::vector<std::int32_t>& ids) {
    double sum = 0.0;
    for (const float loss : output_.losses(stream, ids)) {
      sum += static_cast<double>(loss);
    }
    return sum;
  }

  StageContext& context_;
  const CalibrationData& data_;
  const AfterVisit& after_visit_;
  Backend& backend_;
  CheckpointLayers source_;
  Sweep sweep_;
  EndWeights ends_;
  OutputLoss output_;
  MeasuredSequences sequences_;
  std::vector<OwnedMatrix> streams_;  ///< the dense one, then one per layer whose part is left out
};

}  // namespace

std::int64_t drop_cost_visits(const StageContext& context, const CalibrationData& data, bool blocks,
                              bool layers) {
  const auto sweeps = static_cast<std::int64_t>(parts_of(blocks, layers).size());
  return sweeps == 0 ? 0 : sweeps * MeasuredSequences(context, data).share.chunks * context.layers();
}

DropCosts measure_drop_costs(StageContext& context, const CalibrationData& data, bool blocks, bool layers,
                             const AfterVisit& after_visit) {
  DropCosts costs;
  if (!blocks && !layers) {
    return costs;
  }
  DropMeasurement measurement(context, data, after_visit);
  for (const Part part : parts_of(blocks, layers)) {
    std::vector<double>& rises = part == Part::attention ? costs.attention
                                 : part == Part::ffn     ? costs.ffn
                                                         : costs.layers;
    rises = measurement.measure(part);
  }
  return costs;
}

}  // namespace cce
