#include "worker/passes/layer_stream.h"

#include <string>

#include "worker/comm/device/device_exchange.h"
#include "worker/tensor/host_access.h"

namespace cce {
void LayerStream::PackedLayer::resize(Backend& backend, std::size_t bytes) {
  bytes_ = bytes;
  if (storage_.bytes() >= bytes) {
    return;
  }
  storage_ = Buffer();  // freed first, so that old and new are never allocated together
  storage_ = backend.allocate(bytes);
  if (!backend.host_memory()) {
    host_storage_ = Buffer();
    host_storage_ = backend.allocate_host(bytes);
  }
}

LayerStream::LayerStream(Communicator& communicator, Backend& backend, const Partition& partition,
                         LayerSource& source, LayerDelivery delivery)
    : communicator_(communicator),
      backend_(backend),
      partition_(partition),
      source_(source),
      sends_(delivery == LayerDelivery::broadcast && communicator.size() > 1),
      uploads_(!sends_ && !backend.host_memory()) {
  if (partition.ranks() != communicator.size()) {
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = "partition",
                .found = std::to_string(partition.ranks()) + " ranks",
                .expected = std::to_string(communicator.size()),
                .remedy = "Run the job with as many ranks as it was planned for"};
  }
  for (const std::int32_t rank : partition.owner) {
    if (rank < 0 || rank >= communicator.size()) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = "partition, owner",
                  .found = "rank " + std::to_string(rank),
                  .expected = "0 to " + std::to_string(communicator.size() - 1),
                  .remedy = "Plan the job again"};
    }
  }
}

LayerStream::~LayerStream() {
  if (uploads_) {
    try {
      backend_.finish_uploads();  // into memory that is about to be freed
    } catch (const Error&) {      // the next operation reports it again
    }
  }
}

void LayerStream::forward(std::int64_t first, std::int64_t last, const Visitor& visit) {
  check_range(first, last);
  run(first, last - first, 1, visit);
}

void LayerStream::backward(std::int64_t first, std::int64_t last, const Visitor& visit) {
  check_range(first, last);
  run(last - 1, last - first, -1, visit);
}

void LayerStream::check_range(std::int64_t first, std::int64_t last) const {
  const auto layers = static_cast<std::int64_t>(partition_.owner.size());
  if (first < 0 || first > last || last > layers) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "layer stream",
                .found = "layers from " + std::to_string(first) + " to " + std::to_string(last),
                .expected = "a range in 0 to " + std::to_string(layers),
                .remedy = "Report this: it is a bug"};
  }
}

/// Where layers take time to arrive, i + 1 is sent before visit i; elsewhere each is packed right before its
/// visit.
void LayerStream::run(std::int64_t first, std::int64_t count, std::int64_t step, const Visitor& visit) {
  on_its_way_.reset();  // what an earlier pass that threw left behind
  if (uploads_) {
    backend_.finish_uploads();
  }
  const bool ahead = sends_ || uploads_;
  for (std::int64_t index = 0; index < count; ++index) {
    const std::int64_t layer = first + index * step;
    PackedLayer& current = buffers_[ahead ? static_cast<std::size_t>(index % 2) : 0];
    if (index == 0 || !ahead) {
      start(layer, current);
    }
    finish(current);
    if (ahead && index + 1 < count) {
      start(layer + step, buffers_[static_cast<std::size_t>((index + 1) % 2)]);
    }
    visit({.layer = layer, .packed = current.on_backend(), .owner = owns(layer)});
  }
}

void LayerStream::start(std::int64_t layer, PackedLayer& destination) {
  destination.resize(backend_, source_.packed_bytes(layer));
  if (owns(layer) || !sends_) {
    source_.pack(layer, destination.on_host());
  }
  if (uploads_) {
    backend_.start_upload(bytes_view(destination.on_host()), bytes_view(destination.on_backend()));
  }
  if (sends_) {
    const bool direct = communicator_.takes_device_memory();
    if (direct && owns(layer) && !backend_.host_memory()) {  // in the queue that the broadcast follows
      upload_bytes(backend_, destination.on_host(), destination.on_backend());
    }
    on_its_way_ = communicator_.start_broadcast(direct ? destination.on_backend() : destination.on_host(),
                                                owner(layer));
  }
}

void LayerStream::finish(PackedLayer& destination) {
  if (uploads_) {
    backend_.finish_uploads();
  }
  if (!on_its_way_) {
    return;
  }
  on_its_way_->wait();
  on_its_way_.reset();
  if (!backend_.host_memory() && !communicator_.takes_device_memory()) {
    upload_bytes(backend_, destination.on_host(), destination.on_backend());
  }
}

void LayerStream::progress() {
  if (on_its_way_) {
    on_its_way_->test();
  }
}

int LayerStream::owner(std::int64_t layer) const {
  check_range(layer, layer + 1);
  return partition_.owner[static_cast<std::size_t>(layer)];
}

void LayerStream::reduce_to_owner(std::int64_t layer, Matrix values) {
  reduce_sum(communicator_, backend_, values, owner(layer));
}

}  // namespace cce
