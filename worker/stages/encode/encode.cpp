#include "worker/stages/encode/encode.h"

#include <array>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "worker/comm/device/device_exchange.h"
#include "worker/passes/allocate.h"
#include "worker/passes/checkpoint_layers.h"
#include "worker/passes/layer_store.h"
#include "worker/passes/sub_block.h"
#include "worker/passes/sweep.h"
#include "worker/stages/encode/output_refit.h"
#include "worker/stages/encode/output_scale.h"
#include "worker/stages/encode/refine.h"
#include "worker/stages/encode/stream_pair.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

class Encoder {
 public:
  Encoder(StageContext& context, const EncodeInput& input, CompressionPlan& plan)
      : context_(context),
        input_(input),
        plan_(plan),
        backend_(context.backend),
        hidden_(context.dense().hidden_size),
        source_(context.checkpoint, context.compute_dtype),
        sweep_(context, context.dense(), source_, context.delivery),
        compressed_runner_(context.backend, input.compressed),
        streams_(context, input.data),
        width_(cost::widest_features(input.compressed)),
        sizes_(cost::encode_sizes(streams_.tokens(), streams_.largest_micro_batch_tokens(), width_, hidden_)),
        refit_(context, streams_, sizes_, width_),
        refiner_(context, streams_, compressed_runner_, width_),
        normed_(context.backend, streams_.tokens(), hidden_),
        features_(allocate(context.backend, context.compute_dtype, sizes_.features)),
        targets_(allocate(context.backend, context.compute_dtype, sizes_.targets)) {}

  void run() {
    context_.reporter.stage_started(Stage::encode);
    {
      const OwnedMatrix embedding = context_.checkpoint.embedding(backend_, context_.compute_dtype);
      streams_.embed(embedding.view(), embedding_scale(context_.dense(), context_.compute_dtype));
    }
    sweep_.forward([this](const Sweep::Visit& visit) { encode_layer(visit); });
    share_measurements();
    publish_output_scale(choose_output_scale(context_, streams_));
    context_.reporter.stage_finished(static_cast<double>(streams_.tokens()), refinement_metrics());
  }

 private:
  void encode_layer(const Sweep::Visit& visit) {
    const LayerShape& shape = input_.compressed.layers[static_cast<std::size_t>(visit.layer)];
    const bool resumed = load_if_encoded(visit.layer);
    share_layer(visit.layer, shape);
    for_each_sub_block(visit.weights.shape,
                       [&](SubBlock kind) { encode_sub_block(visit.layer, kind, visit.weights, resumed); });
    if (visit.owner && !resumed) {
      publish(visit.layer);
    }
    context_.reporter.progress(
        visit.layer + 1, context_.layers(), visit.layer,
        static_cast<double>(streams_.tokens() * (visit.layer + 1)) / static_cast<double>(context_.layers()));
  }

  /// Whether the owner found the layer in state/ from an earlier attempt; it is then in place of the starting
  /// layer.
  bool load_if_encoded(std::int64_t layer) {
    std::array<double, 1> found{0.0};
    if (context_.owns(layer)) {
      const std::string name = layer_state_name("encode", layer);
      if (const auto folder = context_.job.find_state(name, input_.fingerprint)) {
        const auto index = static_cast<std::size_t>(layer);
        input_.layers[index]->layer =
            read_layer(context_.files, *folder / "layer.f32", input_.compressed.layers[index], hidden_);
        take_measured(layer, *folder);
        found[0] = 1.0;
      }
    }
    context_.communicator.all_reduce_sum(std::span<double>(found));
    return found[0] > 0.0;
  }

  /// The owner's layer, in the compute dtype, on every rank.
  void share_layer(std::int64_t layer, const LayerShape& shape) {
    const std::size_t bytes = packed_layer_bytes(shape, hidden_, context_.compute_dtype);
    if (packed_.bytes() < bytes) {
      packed_ = backend_.allocate(bytes);
    }
    const std::span<std::byte> block(static_cast<std::byte*>(packed_.data()), bytes);
    if (context_.owns(layer)) {
      pack_host_layer(backend_, input_.layers[static_cast<std::size_t>(layer)]->layer, hidden_,
                      context_.compute_dtype, block);
    }
    broadcast(context_.communicator, backend_, block, owner_of(layer));
    compressed_ = writable_packed_layer(shape, hidden_, context_.compute_dtype, block);
    weights_ = view_packed_layer(shape, hidden_, context_.compute_dtype, block);
  }

  int owner_of(std::int64_t layer) const { return context_.partition.owner[static_cast<std::size_t>(layer)]; }

  Matrix features_of(const MicroBatch& micro_batch, std::int64_t width) {
    auto* first =
        static_cast<std::byte*>(features_.view().data) +
        static_cast<std::size_t>(micro_batch.first_token * width) * size_in_bytes(context_.compute_dtype);
    return {first, context_.compute_dtype, micro_batch.batch.tokens(), width, width};
  }

  void encode_sub_block(std::int64_t layer, SubBlock kind, const LayerWeights& dense, bool resumed) {
    const bool kept = has(weights_.shape, kind);
    const RefitTarget target = context_.spec.encode.target;
    const bool refits =
        kept && !resumed && (target == RefitTarget::local || target == RefitTarget::error_aware);
    const std::int64_t width = kept ? feature_width(weights_.shape, kind) : 0;
    normed_.start(output_norm_of(dense, kind));
    if (refits) {
      refit_.start(width);
    }
    sweep_.for_each_of(streams_.micro_batches(), [&](const MicroBatch& micro_batch) {  // 1.
      take_in(kind, dense, micro_batch, width, refits);
    });
    if (refits) {
      solve(layer, kind);  // 2.
      if (refiner_.asked_for()) {
        refine(layer, kind, width);
      }
    }
    measure_and_advance(layer, kind, width, resumed);  // 3.
  }

  // 1.
  void take_in(SubBlock kind, const LayerWeights& dense, const MicroBatch& micro_batch, std::int64_t width,
               bool refits) {
    const Matrix stream = streams_.dense(micro_batch);
    const Matrix compressed = streams_.compressed(micro_batch);
    const Matrix targets = targets_.view().rows_from(0, micro_batch.batch.tokens());
    const bool local = context_.spec.encode.target == RefitTarget::local;
    const Matrix features = features_of(micro_batch, width);
    // y = dense stream after − compressed stream before (error-aware), or − dense stream before (local).
    backend_.fill_zero(targets);
    ops::add(backend_, local ? stream : compressed, targets, -1.0);
    if (width > 0) {
      compute_features(compressed_runner_, kind, weights_, micro_batch.batch, local ? stream : compressed,
                       features);
    }
    if (normed_.is_there()) {
      advance_normed(kind, dense, micro_batch, targets);
    } else {
      sweep_.step(kind, dense, micro_batch.batch, stream, stream);
      ops::add(backend_, stream, targets);
    }
    if (refits) {
      refit_.add(micro_batch, features, targets, stream, normed_);
    }
    if (local && width > 0) {
      compute_features(compressed_runner_, kind, weights_, micro_batch.batch, compressed, features);
    }
  }

  /// targets: − the stream that the error is counted from; becomes what is wanted before the norm.
  void advance_normed(SubBlock kind, const LayerWeights& dense, const MicroBatch& micro_batch,
                      Matrix targets) {
    const Matrix stream = streams_.dense(micro_batch);
    OwnedMatrix error = backend_.matrix(DType::f32, targets.rows, targets.cols);
    ops::convert(backend_, targets, error.view());
    ops::add(backend_, stream, error.view());
    const Matrix features = sweep_.step(kind, dense, micro_batch.batch, stream, stream);
    sweep_.runner().sub_block_output(dense, kind, features, targets);
    normed_.take(micro_batch.first_token, targets);
    normed_.add_wanted(micro_batch.first_token, error.view(), targets);
  }

  // 2.
  void solve(std::int64_t layer, SubBlock kind) {
    const int owner = owner_of(layer);
    HostLayer* mine = context_.owns(layer) ? &input_.layers[static_cast<std::size_t>(layer)]->layer : nullptr;
    refit_.solve(layer, owner, kind, mine);
    if (mine != nullptr) {
      const LayerShape& shape = weights_.shape;
      const std::size_t bytes = packed_layer_bytes(shape, hidden_, context_.compute_dtype);
      pack_host_layer(backend_, *mine, hidden_, context_.compute_dtype,
                      {static_cast<std::byte*>(packed_.data()), bytes});
    }
    for (const TensorRole part : {output_part(kind), output_bias_part(kind)}) {
      const Matrix& view = part_view(compressed_, part);
      if (!view.empty()) {
        const auto bytes = static_cast<std::size_t>(view.rows * view.cols) * size_in_bytes(view.dtype);
        broadcast(context_.communicator, backend_, {static_cast<std::byte*>(view.data), bytes}, owner);
      }
    }
  }

  /// Features are taken again where the refined weights stay: they changed too.
  void refine(std::int64_t layer, SubBlock kind, std::int64_t width) {
    HostLayer* mine = context_.owns(layer) ? &input_.layers[static_cast<std::size_t>(layer)]->layer : nullptr;
    const std::span<std::byte> packed(static_cast<std::byte*>(packed_.data()),
                                      packed_layer_bytes(weights_.shape, hidden_, context_.compute_dtype));
    if (!refiner_.refine(layer, kind, weights_.shape, packed, mine)) {
      return;
    }
    sweep_.for_each_of(streams_.micro_batches(), [&](const MicroBatch& micro_batch) {
      compute_features(compressed_runner_, kind, weights_, micro_batch.batch,
                       streams_.compressed(micro_batch), features_of(micro_batch, width));
    });
  }

  std::map<std::string, double> refinement_metrics() const {
    const Refiner::Totals& totals = refiner_.totals();
    if (totals.sub_blocks == 0) {
      return {};
    }
    const auto blocks = static_cast<double>(totals.sub_blocks);
    const auto name = [](Metric metric) { return std::string(metric_name(metric)); };
    return {{name(Metric::refined_sub_blocks), static_cast<double>(totals.improved)},
            {name(Metric::refine_error_before), totals.error_before / blocks},
            {name(Metric::refine_error_after), totals.error_after / blocks}};
  }

  // 3.
  void measure_and_advance(std::int64_t layer, SubBlock kind, std::int64_t width, bool resumed) {
    if (!resumed) {
      refit_.start_measuring();
    }
    sweep_.for_each_of(streams_.micro_batches(), [&](const MicroBatch& micro_batch) {
      const Matrix compressed = streams_.compressed(micro_batch);
      if (width > 0) {
        compressed_runner_.project(weights_, kind, features_of(micro_batch, width), compressed);
      }
      if (!resumed) {
        refit_.measure(micro_batch, streams_.dense(micro_batch), compressed, normed_);
      }
    });
    if (resumed) {
      return;
    }
    const auto index = static_cast<std::size_t>(layer);
    const HostMatrix* gradient = nullptr;
    if (context_.owns(layer)) {
      const StartingLayer& mine = *input_.layers[index];
      gradient = kind == SubBlock::attention ? &mine.attention_gradient : &mine.ffn_gradient;
    }
    const double nats = refit_.finish_measuring(owner_of(layer), gradient);
    (kind == SubBlock::attention ? plan_.layers[index].measured_attention_nats
                                 : plan_.layers[index].measured_ffn_nats) = nats;
  }

  void publish(std::int64_t layer) {
    const auto index = static_cast<std::size_t>(layer);
    const std::string name = layer_state_name("encode", layer);
    const auto folder = context_.job.begin_state(name);
    HostMatrix measured(1, 2);
    measured.values = {static_cast<float>(plan_.layers[index].measured_attention_nats),
                       static_cast<float>(plan_.layers[index].measured_ffn_nats)};
    write_layer(context_.files, folder / "layer.f32", input_.layers[index]->layer, hidden_);
    write_matrix(context_.files, folder / "measured_nats.f32", measured);
    // Read back rather than rounded here: g++ 12 at -O3 folds the pair of conversions double → float → double
    // away, and a resumed run must go on with the same numbers.
    take_measured(layer, folder);
    context_.job.publish_state(name, input_.fingerprint);
  }

  /// The layer's measured nats as its state holds them.
  void take_measured(std::int64_t layer, const std::filesystem::path& folder) {
    const HostMatrix measured = read_matrix(context_.files, folder / "measured_nats.f32", 1, 2);
    LayerPlan& plan = plan_.layers[static_cast<std::size_t>(layer)];
    plan.measured_attention_nats = static_cast<double>(measured.values[0]);
    plan.measured_ffn_nats = static_cast<double>(measured.values[1]);
  }

  void publish_output_scale(double scale) {
    if (context_.rank() == 0) {
      const auto folder = context_.job.begin_state(output_scale_state);
      HostMatrix value(1, 1);
      value.values[0] = static_cast<float>(scale);
      write_matrix(context_.files, folder / "scale.f32", value);
      context_.job.publish_state(output_scale_state, input_.fingerprint);
    }
    context_.communicator.barrier();
  }

  /// Owners know their layers' measured nats; afterwards every rank's plan has all of them.
  void share_measurements() {
    std::vector<double> nats(2 * static_cast<std::size_t>(context_.layers()), 0.0);
    for (std::size_t layer = 0; layer < plan_.layers.size(); ++layer) {
      if (context_.owns(static_cast<std::int64_t>(layer))) {
        nats[2 * layer] = plan_.layers[layer].measured_attention_nats;
        nats[2 * layer + 1] = plan_.layers[layer].measured_ffn_nats;
      }
    }
    context_.communicator.all_reduce_sum(std::span<double>(nats));
    for (std::size_t layer = 0; layer < plan_.layers.size(); ++layer) {
      plan_.layers[layer].measured_attention_nats = nats[2 * layer];
      plan_.layers[layer].measured_ffn_nats = nats[2 * layer + 1];
    }
  }

  StageContext& context_;
  const EncodeInput& input_;
  CompressionPlan& plan_;
  Backend& backend_;
  std::int64_t hidden_;
  CheckpointLayers source_;
  Sweep sweep_;                    ///< the dense layers, on the dense stream
  BlockRunner compressed_runner_;  ///< their successors, a sub-block behind
  StreamPair streams_;
  std::int64_t width_;  ///< of the widest sub-block that is kept
  cost::EncodeSizes sizes_;
  OutputRefit refit_;
  Refiner refiner_;
  NormedOutput normed_;             ///< of the sub-block that is worked on
  OwnedMatrix features_, targets_;  ///< of all this rank's tokens; of one micro-batch
  Buffer packed_;                   ///< the compressed layer in work
  LayerWeightsMutable compressed_;
  LayerWeights weights_;
};

}  // namespace

void encode(StageContext& context, const EncodeInput& input, CompressionPlan& plan) {
  Encoder(context, input, plan).run();
}

}  // namespace cce
