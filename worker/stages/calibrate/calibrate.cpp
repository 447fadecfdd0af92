#include "worker/stages/calibrate/calibrate.h"

#include <algorithm>
#include <span>
#include <utility>

#include "worker/model/block.h"
#include "worker/numeric/counter_random.h"
#include "worker/passes/allocate.h"
#include "worker/passes/checkpoint_layers.h"
#include "worker/passes/sweep.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

class Calibration {
 public:
  Calibration(StageContext& context, const CalibrationData& data)
      : context_(context),
        data_(data),
        backend_(context.backend),
        source_(context.checkpoint, context.compute_dtype),
        sweep_(context, context.dense(), source_, context.delivery),
        ends_(context.checkpoint.end_weights(context.backend, context.compute_dtype)),
        sequences_(data.gradient_sequences_of(context.sequences())),
        capacity_(std::min<std::int64_t>(context.partition.chunk_sequences,
                                         static_cast<std::int64_t>(sequences_.size()))),
        micro_batch_(std::min(context.partition.micro_batch_sequences, std::max<std::int64_t>(capacity_, 1))),
        sizes_(cost::calibrate_sizes(context.dense(), {.chunk = capacity_ * data.length,
                                                       .micro_batch = micro_batch_ * data.length,
                                                       .window = data.length})),
        statistics_(context, sizes_),
        results_(static_cast<std::size_t>(context.layers())),
        boundaries_(allocate_each(context.backend, context.compute_dtype, sizes_.boundaries)),
        gradient_(of_size(sizes_.gradient)),
        gradient_after_(of_size(sizes_.gradient_after)),
        pair_products_(of_size(sizes_.pair_products)),
        losses_(of_size(sizes_.losses)),
        hidden_gradient_(of_size(sizes_.hidden_gradient)) {}

  std::vector<std::optional<LayerStatistics>> run() {
    context_.reporter.stage_started(Stage::calibrate);
    const std::int64_t chunks = most_chunks();
    visits_total_ = 2 * chunks * context_.layers();
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      start_chunk(chunk * context_.partition.chunk_sequences);
      forward();
      output_gradient();
      backward();
    }
    context_.reporter.stage_finished(static_cast<double>(sequences_.size()) *
                                     static_cast<double>(data_.length));
    return std::move(results_);
  }

 private:
  /// Every rank takes part in as many chunks as the one with the most sequences; its own may be empty.
  std::int64_t most_chunks() const {
    const std::int64_t chunk = context_.partition.chunk_sequences;
    std::int64_t most = 0;
    for (const SequenceRange& range : context_.partition.sequences) {
      const auto count = static_cast<std::int64_t>(data_.gradient_sequences_of(range).size());
      most = std::max(most, (count + chunk - 1) / chunk);
    }
    return most;
  }

  OwnedMatrix of_size(const cost::MatrixSize& size) {
    return allocate(backend_, context_.compute_dtype, size);
  }

  void start_chunk(std::int64_t first) {
    const auto available = static_cast<std::int64_t>(sequences_.size());
    const std::int64_t begin = std::min(first, available);
    const std::int64_t end = std::min(first + capacity_, available);
    chunk_.assign(sequences_.begin() + begin, sequences_.begin() + end);
    std::vector<std::int32_t> ids;
    for (const std::int64_t sequence : chunk_) {
      const auto& window = data_.windows[static_cast<std::size_t>(sequence)];
      ids.insert(ids.end(), window.begin(), window.end());
    }
    if (!ids.empty()) {
      ops::embed(backend_, ids, std::as_const(ends_.embedding).view(),
                 embedding_scale(context_.dense(), context_.compute_dtype),
                 rows(boundaries_[0], 0, chunk_tokens()));
    }
  }

  std::int64_t chunk_tokens() const { return static_cast<std::int64_t>(chunk_.size()) * data_.length; }

  static Matrix rows(OwnedMatrix& matrix, std::int64_t first, std::int64_t count) {
    return matrix.view().rows_from(first, count);
  }
  Matrix boundary(std::int64_t index, std::int64_t first, TokenBatch batch) {
    return rows(boundaries_[static_cast<std::size_t>(index)], first, batch.tokens());
  }

  TokenBatch chunk_batch() const { return {static_cast<std::int64_t>(chunk_.size()), data_.length}; }

  void finish_visit(std::int64_t layer) {
    ++visits_done_;
    context_.reporter.progress(
        visits_done_, visits_total_, layer,
        static_cast<double>(sequences_.size() * static_cast<std::size_t>(data_.length)) *
            static_cast<double>(visits_done_) / static_cast<double>(visits_total_));
  }

  // 1.
  void forward() {
    sweep_.forward([&](const Sweep::Visit& visit) {
      sweep_.for_each_micro_batch(chunk_batch(), [&](std::int64_t first, TokenBatch batch) {
        forward_micro_batch(visit.weights, visit.layer, first, batch);
      });
      finish_visit(visit.layer);
    });
  }

  void forward_micro_batch(const LayerWeights& weights, std::int64_t layer, std::int64_t first,
                           TokenBatch batch) {
    std::int64_t index = 2 * layer;
    for (const SubBlock kind : {SubBlock::attention, SubBlock::ffn}) {
      const Matrix before = boundary(index, first, batch);
      const Matrix after = boundary(++index, first, batch);
      ops::convert(backend_, before, after);
      if (has(weights.shape, kind)) {
        sweep_.step(kind, weights, batch, before, after);
      }
    }
  }

  // 2. A window's last position predicts nothing that a user's perplexity would count.
  void output_gradient() {
    const ConstMatrix gain = std::as_const(ends_.final_norm).view();
    for (std::size_t i = 0; i < chunk_.size(); ++i) {
      const std::int64_t first = static_cast<std::int64_t>(i) * data_.length;
      const Matrix last = rows(boundaries_.back(), first, data_.length);
      const Matrix gradient = rows(gradient_, first, data_.length);
      const ConstMatrix hidden = sweep_.runner().normalised(gain, last, context_.compute_dtype);
      std::vector<std::int32_t> labels(static_cast<std::size_t>(data_.length), 0);
      labels.back() = -1;
      const std::vector<float> uniforms = label_uniforms(chunk_[i]);
      ops::output_gradient(backend_, hidden, ends_.head(), labels, uniforms, losses_.view(),
                           hidden_gradient_.view());
      backend_.fill_zero(gradient);
      ops::rms_norm_backward(backend_, hidden_gradient_.view(), last, gain, context_.dense().rms_epsilon,
                             gradient);
    }
  }

  std::vector<float> label_uniforms(std::int64_t sequence) const {
    const CounterRandom random(static_cast<std::uint64_t>(context_.spec.seed), RandomStream::labels);
    std::vector<float> uniforms(static_cast<std::size_t>(data_.length));
    for (std::size_t position = 0; position < uniforms.size(); ++position) {
      uniforms[position] =
          random.uniform_float(static_cast<std::uint64_t>(sequence * data_.length) + position);
    }
    return uniforms;
  }

  // 3. and 4.
  void backward() {
    sweep_.backward([&](const Sweep::Visit& visit) {
      statistics_.start_layer(visit.weights.shape);
      sweep_.for_each_micro_batch(chunk_batch(), [&](std::int64_t first, TokenBatch batch) {
        backward_micro_batch(visit.weights, visit.layer, first, batch);
      });
      statistics_.reduce_into(context_, visit.layer, results_[static_cast<std::size_t>(visit.layer)]);
      finish_visit(visit.layer);
    });
  }

  void backward_micro_batch(const LayerWeights& weights, std::int64_t layer, std::int64_t first,
                            TokenBatch batch) {
    const Matrix carried = rows(gradient_, first, batch.tokens());
    const Matrix after = rows(gradient_after_, 0, batch.tokens());
    if (weights.shape.has_ffn) {
      const Matrix activations = sweep_.feature_memory(batch, weights.down.cols);
      sweep_.runner().ffn_backward(weights, boundary(2 * layer + 1, first, batch), activations, carried,
                                   after);
      statistics_.add_ffn(activations, after);
    }
    if (weights.shape.has_attention) {
      const Matrix heads = sweep_.feature_memory(batch, weights.o.cols);
      const std::int64_t pairs = weights.shape.kv_groups * weights.shape.qk_dim / 2;
      const Matrix products{pair_products_.view().data, DType::f32, batch.tokens(), pairs, pairs};
      sweep_.runner().attention_backward(weights, batch, boundary(2 * layer, first, batch), heads, carried,
                                         products, after);
      statistics_.add_attention(heads, after, products);
    }
  }

  StageContext& context_;
  const CalibrationData& data_;
  Backend& backend_;
  CheckpointLayers source_;
  Sweep sweep_;
  EndWeights ends_;
  std::vector<std::int64_t> sequences_;  ///< this rank's gradient sequences
  std::int64_t capacity_;                ///< sequences of a chunk
  std::int64_t micro_batch_;
  cost::CalibrateSizes sizes_;
  StatisticsBuffer statistics_;
  std::vector<std::optional<LayerStatistics>> results_;

  std::vector<std::int64_t> chunk_;
  std::vector<OwnedMatrix> boundaries_;  ///< streams before every sub-block and after the last: 2 L + 1
  OwnedMatrix gradient_, gradient_after_, pair_products_, losses_, hidden_gradient_;
  std::int64_t visits_done_ = 0;
  std::int64_t visits_total_ = 0;
};

}  // namespace

std::vector<std::optional<LayerStatistics>> calibrate(StageContext& context, const CalibrationData& data) {
  return Calibration(context, data).run();
}

}  // namespace cce
