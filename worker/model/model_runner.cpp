#include "worker/model/model_runner.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

void check_batch(std::span<const std::int32_t> ids, TokenBatch batch) {
  if (batch.sequences > 0 && batch.length > 0 && static_cast<std::int64_t>(ids.size()) == batch.tokens())
    return;
  throw Error{.code = ErrorCode::shape_mismatch,
              .where = "token batch",
              .found = std::to_string(ids.size()) + " tokens",
              .expected = std::to_string(batch.sequences) + " sequences of " + std::to_string(batch.length),
              .remedy = {}};
}

}  // namespace

LayerProvider checkpoint_layers(Backend& backend, const Checkpoint& checkpoint, DType compute_dtype) {
  auto block = std::make_shared<Buffer>();
  return [&backend, &checkpoint, compute_dtype, block](std::int64_t layer) -> std::span<const std::byte> {
    const ModelConfig& config = checkpoint.config();
    const std::size_t needed = packed_layer_bytes(config.layers.at(static_cast<std::size_t>(layer)),
                                                  config.hidden_size, compute_dtype);
    if (block->bytes() < needed) {
      *block = Buffer();
      *block = backend.allocate(needed);
    }
    const std::span<std::byte> bytes(static_cast<std::byte*>(block->data()), needed);
    HostEdit host(backend, bytes_view(bytes), HostEdit::Start::uninitialised);
    checkpoint.pack_layer(layer, compute_dtype, {host.view().as<std::byte>(), needed});
    host.write_back();
    return bytes;
  };
}

ModelRunner::ModelRunner(Backend& backend, const ModelConfig& config, const EndWeights& ends,
                         LayerProvider layers, DType compute_dtype)
    : backend_(backend),
      config_(config),
      ends_(ends),
      layers_(std::move(layers)),
      compute_dtype_(compute_dtype),
      blocks_(backend, config) {}

OwnedMatrix ModelRunner::final_stream(std::span<const std::int32_t> ids, TokenBatch batch,
                                      std::int64_t micro_batch_sequences) {
  check_batch(ids, batch);
  const std::int64_t step = micro_batch_sequences > 0 ? micro_batch_sequences : batch.sequences;
  OwnedMatrix stream = backend_.matrix(DType::f32, batch.tokens(), config_.hidden_size);
  ops::embed(backend_, ids, ends_.embedding.view(), embedding_scale(config_, compute_dtype_), stream.view());
  for (std::size_t layer = 0; layer < config_.layers.size(); ++layer) {
    const LayerWeights weights = view_packed_layer(config_.layers[layer], config_.hidden_size, compute_dtype_,
                                                   layers_(static_cast<std::int64_t>(layer)));
    for (std::int64_t first = 0; first < batch.sequences; first += step) {
      const TokenBatch slice{std::min(step, batch.sequences - first), batch.length};
      run_layer(backend_, blocks_, weights, slice,
                stream.view().rows_from(first * batch.length, slice.tokens()), features_);
    }
  }
  return stream;
}

std::vector<float> ModelRunner::token_losses(std::span<const std::int32_t> ids, TokenBatch batch,
                                             std::int64_t micro_batch_sequences) {
  const OwnedMatrix stream = final_stream(ids, batch, micro_batch_sequences);
  const std::vector<std::int32_t> labels = next_token_labels(ids, batch);
  std::vector<float> by_token(ids.size());
  const std::int64_t step = batch.length;  // a sequence at a time: the normalised stream is scratch
  OwnedMatrix losses = backend_.matrix(DType::f32, 1, step);
  for (std::int64_t first = 0; first < batch.tokens(); first += step) {
    const ConstMatrix hidden =
        blocks_.normalised(ends_.final_norm.view(), stream.view().rows_from(first, step), compute_dtype_);
    const auto offset = static_cast<std::size_t>(first), count = static_cast<std::size_t>(step);
    ops::output_losses(backend_, hidden, ends_.head(), std::span(labels).subspan(offset, count),
                       losses.view());
    backend_.download(losses.view(), Matrix{by_token.data() + first, DType::f32, 1, step, step});
  }
  std::vector<float> result;
  result.reserve(by_token.size());
  for (std::size_t token = 0; token < by_token.size(); ++token) {
    if (labels[token] >= 0) result.push_back(by_token[token]);
  }
  return result;
}

OwnedMatrix ModelRunner::logits_of(ConstMatrix stream) {
  const ConstMatrix hidden = blocks_.normalised(ends_.final_norm.view(), stream, compute_dtype_);
  OwnedMatrix result = backend_.matrix(DType::f32, stream.rows, config_.vocabulary_size);
  ops::multiply(backend_, hidden, Transpose::no, ends_.head(), Transpose::yes, result.view());
  return result;
}

OwnedMatrix ModelRunner::logits(std::span<const std::int32_t> ids, TokenBatch batch) {
  const OwnedMatrix stream = final_stream(ids, batch);
  return logits_of(stream.view());
}

std::vector<std::int32_t> next_token_labels(std::span<const std::int32_t> ids, TokenBatch batch) {
  check_batch(ids, batch);
  std::vector<std::int32_t> labels(ids.begin() + 1, ids.end());
  labels.push_back(-1);
  for (std::int64_t sequence = 1; sequence < batch.sequences; ++sequence) {
    labels[static_cast<std::size_t>(sequence * batch.length - 1)] = -1;
  }
  return labels;
}

}  // namespace cce
