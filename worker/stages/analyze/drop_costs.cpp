#include "worker/stages/analyze/drop_costs.h"

#include <algorithm>
#include <span>
#include <utility>

#include "common/cost/sizes.h"
#include "worker/model/block.h"
#include "worker/model/model_runner.h"
#include "worker/passes/checkpoint_layers.h"
#include "worker/passes/layer_stream.h"
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

/// The layer as run_layer is to see it when `part` is left out.
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
    const auto count = static_cast<std::int64_t>(indices.size());
    const std::int64_t ranks = std::min<std::int64_t>(context.communicator.size(), count);
    const std::vector<SequenceRange> ranges = split_sequences(count, ranks);
    if (context.rank() < ranks) {
      mine = ranges[static_cast<std::size_t>(context.rank())];
    }
    const std::int64_t most = ranges.front().count;  // the first range is the longest
    chunk = std::min(std::max<std::int64_t>(context.partition.chunk_sequences, 1), most);
    chunks = (most + chunk - 1) / chunk;
  }

  std::vector<std::int64_t> indices;
  SequenceRange mine;
  std::int64_t chunk = 1;   ///< sequences that are in memory at once
  std::int64_t chunks = 0;  ///< the same on every rank; some ranks may have empty ones
};

class DropMeasurement {
 public:
  DropMeasurement(StageContext& context, const CalibrationData& data, const AfterVisit& after_visit)
      : context_(context),
        data_(data),
        after_visit_(after_visit),
        backend_(context.backend),
        runner_(context.backend, context.dense()),
        source_(context.checkpoint, context.compute_dtype),
        layer_stream_(context.communicator, context.backend, context.partition, source_, context.delivery),
        ends_(context.checkpoint.end_weights(context.backend, context.compute_dtype)),
        sequences_(context, data),
        micro_batch_(std::clamp<std::int64_t>(context.partition.micro_batch_sequences, 1, sequences_.chunk)) {
    for (std::int64_t i = 0; i < context.layers() + 1; ++i) {
      streams_.push_back(
          backend_.matrix(DType::f32, sequences_.chunk * data.length, context.dense().hidden_size));
    }
    losses_ = backend_.matrix(DType::f32, 1, data.length);
  }

  std::vector<double> measure(Part part) {
    std::vector<double> sums(streams_.size(), 0.0);
    for (std::int64_t chunk = 0; chunk < sequences_.chunks; ++chunk) {
      const std::int64_t first = std::min(chunk * sequences_.chunk, sequences_.mine.count);
      const std::int64_t count = std::min(sequences_.chunk, sequences_.mine.count - first);
      embed(sequences_.mine.first + first, count);
      sweep(part, count);                                            // 1.
      add_losses(sequences_.mine.first + first, count, part, sums);  // 2.
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
                 streams_[0].view().rows_from(i * data_.length, data_.length));
    }
  }

  // 1.
  void sweep(Part part, std::int64_t count) {
    layer_stream_.forward(0, context_.layers(), [&](const LayerVisit& visit) {
      const LayerWeights weights = source_.view(visit.layer, visit.packed);
      for (std::int64_t first = 0; first < count; first += micro_batch_) {
        const TokenBatch batch{std::min(micro_batch_, count - first), data_.length};
        advance(weights, part, static_cast<std::size_t>(visit.layer), first * data_.length, batch);
        layer_stream_.progress();
      }
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
        run_layer(backend_, runner_, weights, batch, rows(earlier + 1), features_);
      }
    }
    if (has_part(weights.shape, part)) {
      ops::convert(backend_, rows(0), rows(layer + 1));
      run_layer(backend_, runner_, without(weights, part), batch, rows(layer + 1), features_);
    }
    run_layer(backend_, runner_, weights, batch, rows(0), features_);
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
    const std::vector<std::int32_t> labels = next_token_labels(ids, {1, data_.length});
    const ConstMatrix hidden =
        runner_.normalised(std::as_const(ends_.final_norm).view(), stream, context_.compute_dtype);
    ops::output_losses(backend_, hidden, ends_.head(), labels, losses_.view());
    std::vector<float> host(static_cast<std::size_t>(data_.length));
    backend_.download(losses_.view(), {host.data(), DType::f32, 1, data_.length, data_.length});
    double sum = 0.0;
    for (std::size_t position = 0; position + 1 < host.size(); ++position) {
      sum += static_cast<double>(host[position]);
    }
    return sum;
  }

  StageContext& context_;
  const CalibrationData& data_;
  const AfterVisit& after_visit_;
  Backend& backend_;
  BlockRunner runner_;
  CheckpointLayers source_;
  LayerStream layer_stream_;
  EndWeights ends_;
  MeasuredSequences sequences_;
  std::int64_t micro_batch_;
  std::vector<OwnedMatrix> streams_;  ///< the dense one, then one per layer whose part is left out
  OwnedMatrix features_, losses_;
};

}  // namespace

std::int64_t drop_cost_visits(const StageContext& context, const CalibrationData& data, bool blocks,
                              bool layers) {
  const auto sweeps = static_cast<std::int64_t>(parts_of(blocks, layers).size());
  return sweeps == 0 ? 0 : sweeps * MeasuredSequences(context, data).chunks * context.layers();
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
