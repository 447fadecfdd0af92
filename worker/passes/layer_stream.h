#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "common/job/partition.h"
#include "worker/comm/communicator.h"
#include "worker/tensor/backend.h"

namespace cce {

/// Gives a layer's weights as bytes, in a layout that only its caller knows.
class LayerSource {
 public:
  LayerSource() = default;
  LayerSource(const LayerSource&) = delete;
  LayerSource& operator=(const LayerSource&) = delete;
  virtual ~LayerSource() = default;

  /// The same on every rank.
  virtual std::size_t packed_bytes(std::int64_t layer) const = 0;
  /// Fills `destination`, packed_bytes(layer) long, in host memory and aligned to 64 bytes. Called on the
  /// owner alone, or, where the checkpoint is mapped, on every rank. The next layer may be packed before this
  /// one is visited, so that a visit must not change the next layer's weights; the one after that never is.
  virtual void pack(std::int64_t layer, std::span<std::byte> destination) = 0;
};

/// How the packed weights reach the ranks that do not own them. The same on every rank.
enum class LayerDelivery {
  broadcast,  ///< from the owner, one layer ahead of the visits
  mapped,     ///< every rank packs for itself, one layer ahead where the backend's memory is not the host's
};

struct LayerVisit {
  std::int64_t layer = 0;
  std::span<const std::byte> packed;  ///< in the backend's memory; valid until the visit ends
  bool owner = false;                 ///< this rank owns the layer
};

/// Takes every layer past every rank (docs/method.md 4): for layer k its owner broadcasts the weights, those
/// of k + 1 while k computes; every rank visits k with its own sequences and adds to the sums of its owner.
/// Calibrate, encode, finetune and evaluate use it.
///
/// Every rank makes the same calls. A visit may use the communicator, in the same order on every rank.
/// What a visit throws ends the pass on this rank; run_or_abort around the whole work ends the others.
/// Memory: two packed layers, and two on the host where the backend's memory is another; one where nothing is
/// on its way. Thread-safety: that of the communicator.
class LayerStream {
 public:
  using Visitor = std::function<void(const LayerVisit&)>;

  /// All four must outlive the stream. Errors: shape_mismatch if the partition was made for another number
  /// of ranks, out_of_range if it names an owner that does not exist.
  LayerStream(Communicator& communicator, Backend& backend, const Partition& partition, LayerSource& source,
              LayerDelivery delivery);
  ~LayerStream();
  LayerStream(const LayerStream&) = delete;
  LayerStream& operator=(const LayerStream&) = delete;

  /// Visits first, first + 1, …, last − 1. Errors: out_of_range for layers that do not exist, those of the
  /// communicator, of pack and of the visit.
  void forward(std::int64_t first, std::int64_t last, const Visitor& visit);
  /// Visits last − 1, last − 2, …, first.
  void backward(std::int64_t first, std::int64_t last, const Visitor& visit);

  /// Moves the next layer on without waiting: call it between micro-batches.
  void progress();

  int owner(std::int64_t layer) const;
  bool owns(std::int64_t layer) const { return owner(layer) == communicator_.rank(); }

  /// A sum over ranks, in rank order, of a dense f32 or f64 matrix of the backend, that arrives at the
  /// layer's owner. Elsewhere `values` is overwritten with nothing meaningful. Every rank calls it.
  void reduce_to_owner(std::int64_t layer, Matrix values);

 private:
  /// Memory that grows when a layer needs more: on the backend, and on the host where that is another.
  class PackedLayer {
   public:
    void resize(Backend& backend, std::size_t bytes);
    std::span<std::byte> on_backend() const { return {static_cast<std::byte*>(storage_.data()), bytes_}; }
    std::span<std::byte> on_host() const {
      return host_storage_.data() == nullptr
                 ? on_backend()
                 : std::span(static_cast<std::byte*>(host_storage_.data()), bytes_);
    }

   private:
    Buffer storage_, host_storage_;
    std::size_t bytes_ = 0;
  };

  void run(std::int64_t first, std::int64_t count, std::int64_t step, const Visitor& visit);
  void check_range(std::int64_t first, std::int64_t last) const;
  void start(std::int64_t layer, PackedLayer& destination);
  void finish(PackedLayer& destination);

  Communicator& communicator_;
  Backend& backend_;
  const Partition& partition_;
  LayerSource& source_;
  bool sends_;    ///< packed layers, between ranks
  bool uploads_;  ///< packed layers that this rank packs for itself
  std::array<PackedLayer, 2> buffers_;
  std::unique_ptr<Request> on_its_way_;
};

}  // namespace cce
