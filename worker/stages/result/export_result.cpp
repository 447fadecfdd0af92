#include "worker/stages/result/export_result.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/base/error.h"
#include "common/model/stored_form.h"
#include "worker/model/checkpoint_writer.h"
#include "worker/model/formats/format_writer.h"
#include "worker/model/model_runner.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

DType export_dtype(const ExportSettings& settings) {
  return settings.dtype == "f32" ? DType::f32 : settings.dtype == "f16" ? DType::f16 : DType::bf16;
}

/// Largest allowed ‖difference‖ / ‖logits‖: both sides hold the same numbers, so only the order of sums is
/// left.
constexpr double largest_difference = 1e-5;

/// Every parameter as it comes back from the exported files: rounded in the form in which it is stored there.
HostLayer rounded(Backend& backend, HostLayer layer, const ModelConfig& config, const FormatWriter& writer,
                  DType asked) {
  for (const LayerPart& row : layer_parts()) {
    HostMatrix& part = part_view(layer, row.role);
    if (!part.empty()) {
      const StoredForm form = stored_form(config, row.role);
      if (!form.is_plain()) {
        std::ranges::transform(part.values, part.values.begin(),
                               [&form](float x) { return form.stored_of(x); });
      }
      const DType dtype = writer.stored_dtype(row.kind, asked);
      OwnedMatrix wide = backend.matrix(DType::f32, part.rows, part.cols);
      OwnedMatrix narrow = backend.matrix(dtype, part.rows, part.cols);
      backend.upload(part.view(), wide.view());
      ops::convert(backend, wide.view(), narrow.view());
      ops::convert(backend, narrow.view(), wide.view());
      backend.download(wide.view(), part.view());
      if (!form.is_plain()) {
        std::ranges::transform(part.values, part.values.begin(),
                               [&form](float x) { return form.value_of(x); });
      }
    }
  }
  return layer;
}

double relative_difference(Backend& backend, ConstMatrix a, ConstMatrix b) {
  const HostRead host_a(backend, a), host_b(backend, b);
  double difference = 0.0;
  double norm = 0.0;
  for (std::int64_t i = 0; i < a.rows * a.cols; ++i) {
    const double x = static_cast<double>(host_a.view().as<float>()[i]);
    const double y = static_cast<double>(host_b.view().as<float>()[i]);
    difference += (x - y) * (x - y);
    norm += x * x;
  }
  return std::sqrt(difference / std::max(norm, 1e-300));
}

OwnedMatrix logits_of(StageContext& context, const ModelConfig& config, const EndWeights& ends,
                      const LayerProvider& layers, const std::vector<std::int32_t>& ids) {
  ModelRunner runner(context.backend, config, ends, layers, context.compute_dtype);
  return runner.logits(ids, {1, static_cast<std::int64_t>(ids.size())});
}

void verify(StageContext& context, const ModelConfig& compressed, EncodedLayers& layers,
            const ReadBack& exported, const std::filesystem::path& folder) {
  // Any tokens will do: these are spread over the vocabulary.
  const std::int64_t vocabulary = context.dense().vocabulary_size;
  std::vector<std::int32_t> ids(
      static_cast<std::size_t>(std::min<std::int64_t>(32, context.dense().max_positions)));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<std::int32_t>((static_cast<std::int64_t>(i) * 7919 + 1) % vocabulary);
  }
  const DType dtype = export_dtype(context.spec.export_settings);
  const FormatWriter& writer = writer_of(context.spec.export_settings.format);
  Buffer packed;
  const LayerProvider in_memory = [&](std::int64_t layer) {
    const std::size_t bytes = layers.packed_bytes(layer);
    if (packed.bytes() < bytes) {
      packed = context.backend.allocate(bytes);
    }
    const std::span<std::byte> block(static_cast<std::byte*>(packed.data()), bytes);
    pack_host_layer(context.backend, rounded(context.backend, layers.load(layer), compressed, writer, dtype),
                    compressed.hidden_size, context.compute_dtype, block);
    return std::span<const std::byte>(block);
  };
  const OwnedMatrix expected = logits_of(context, compressed, exported.ends, in_memory, ids);
  const OwnedMatrix found = logits_of(context, exported.config, exported.ends, exported.layers, ids);
  const double difference = relative_difference(context.backend, expected.view(), found.view());
  if (!(difference <= largest_difference)) {
    throw Error{
        .code = ErrorCode::verification_failed,
        .where = folder.string(),
        .found = "logits that differ by " + std::to_string(difference) + " of their norm",
        .expected = "at most " + std::to_string(largest_difference),
        .remedy = "Report this with the job directory: the exported files do not hold what was computed"};
  }
}

}  // namespace

std::int64_t export_result(StageContext& context, const ModelConfig& compressed, EncodedLayers& layers,
                           const std::filesystem::path& folder) {
  context.reporter.stage_started(Stage::export_result);
  std::int64_t bytes = 0;
  if (context.rank() == 0) {
    const CheckpointContents contents{compressed,
                                      [&layers](std::int64_t layer) { return layers.load(layer); },
                                      context.checkpoint, layers.final_norm()};
    CheckpointWriteSettings settings;
    settings.format = context.spec.export_settings.format;
    settings.dtype = export_dtype(context.spec.export_settings);
    write_checkpoint(context.files, folder, contents, settings);
    const ReadBack exported =
        writer_of(settings.format).read_back(context.backend, context.files, folder, context.compute_dtype);
    verify(context, compressed, layers, exported, folder);
    bytes = exported.tensor_bytes;
  }
  context.reporter.stage_finished(0.0);
  return bytes;
}

}  // namespace cce
