#include "worker/stages/calibrate/calibrate_state.h"

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "common/base/digest.h"
#include "common/base/error.h"
#include "common/cost/sizes.h"
#include "worker/passes/layer_store.h"
#include "worker/passes/stage_state.h"
#include "worker/tensor/host_access.h"

namespace cce {
namespace {

constexpr const char* state_name = "calibrate";
constexpr const char* sums_file = "sums";

/// Calls work(matrix, whether it is symmetric) for every sum of a layer, in the order in which they are
/// stored.
template <typename Work>
void for_each_sum(LayerStatistics& statistics, const Work& work) {
  for (SubBlockStatistics* part : {&statistics.attention, &statistics.ffn}) {
    if (part->covariance.view().empty()) {
      continue;
    }
    work(part->weighted_covariance.view(), true);
    work(part->covariance.view(), true);
    work(part->feature_sum.view(), false);
    work(part->gradient_covariance.view(), true);
  }
  if (!statistics.pair_covariance.view().empty()) {
    work(statistics.pair_covariance.view(), true);
  }
}

/// Row by row, from the diagonal on where the matrix is symmetric.
template <typename Move>
void for_each_stored_run(ConstMatrix matrix, bool symmetric, const Move& move) {
  const std::size_t value_bytes = size_in_bytes(matrix.dtype);
  for (std::int64_t row = 0; row < matrix.rows; ++row) {
    const std::int64_t first = symmetric ? row : 0;
    move(static_cast<std::size_t>(row * matrix.stride + first) * value_bytes,
         static_cast<std::size_t>(matrix.cols - first) * value_bytes);
  }
}

std::vector<std::byte> packed(Backend& backend, ConstMatrix matrix, bool symmetric) {
  const HostRead host(backend, matrix);
  std::vector<std::byte> bytes;
  for_each_stored_run(host.view(), symmetric, [&](std::size_t offset, std::size_t count) {
    const std::byte* from = host.view().as<std::byte>() + offset;
    bytes.insert(bytes.end(), from, from + count);
  });
  return bytes;
}

template <typename Value>
void mirror_upper(Matrix matrix) {
  for (std::int64_t row = 1; row < matrix.rows; ++row) {
    for (std::int64_t col = 0; col < row; ++col) {
      matrix.as<Value>()[row * matrix.stride + col] = matrix.as<Value>()[col * matrix.stride + row];
    }
  }
}

/// Fills `matrix` from `bytes` on and returns where they go on.
const std::byte* unpack(Backend& backend, Matrix matrix, bool symmetric, const std::byte* bytes) {
  HostEdit host(backend, matrix, HostEdit::Start::uninitialised);
  for_each_stored_run(host.view(), symmetric, [&](std::size_t offset, std::size_t count) {
    std::memcpy(host.view().as<std::byte>() + offset, bytes, count);
    bytes += count;
  });
  if (symmetric && matrix.dtype == DType::f64) {
    mirror_upper<double>(host.view());
  } else if (symmetric) {
    mirror_upper<float>(host.view());
  }
  host.write_back();
  return bytes;
}

LayerStatistics read_sums(const StageContext& context, std::int64_t layer,
                          const std::filesystem::path& path) {
  const LayerShape& shape = context.dense().layers[static_cast<std::size_t>(layer)];
  const std::int64_t hidden = context.dense().hidden_size;
  const std::size_t expected = static_cast<std::size_t>(cost::stored_sum_numbers(shape, hidden)) *
                               size_in_bytes(context.backend.kept_sum_dtype());
  const MappedFile mapped = context.files.map_readonly(path);
  if (mapped.bytes().size() != expected) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = path.string(),
                .found = std::to_string(mapped.bytes().size()) + " bytes",
                .expected = std::to_string(expected),
                .remedy = "Delete the job's state folder and resume"};
  }
  LayerStatistics statistics = make_layer_statistics(context.backend, shape, hidden);
  const std::byte* next = mapped.bytes().data();
  for_each_sum(statistics,
               [&](Matrix sum, bool symmetric) { next = unpack(context.backend, sum, symmetric, next); });
  return statistics;
}

void write_sums(StageContext& context, LayerStatistics& statistics, const std::filesystem::path& path) {
  const auto writer = context.files.open_writer(path, WriteMode::create_or_replace);
  for_each_sum(statistics, [&](ConstMatrix sum, bool symmetric) {
    writer->append(packed(context.backend, sum, symmetric));
  });
  writer->sync();
  writer->close();
}

}  // namespace

StageInputs calibrate_inputs(const StageContext& context, const CalibrationData& data) {
  StageInputs inputs = known_calibrate_inputs(context.spec, context.partition);
  Digest tokens;
  for (const std::vector<std::int32_t>& window : data.windows) {
    tokens.add(std::as_bytes(std::span(window)));
  }
  inputs.set("calibration.text", tokens.finish_hex());
  const std::string precision(name(context.compute_dtype));
  inputs.set("resources.precision", context.spec.resources.precision == "tf32" ? "tf32" : precision);
  inputs.set("build", context.build);
  return inputs;
}

void save_statistics(StageContext& context, std::vector<std::optional<LayerStatistics>>& statistics,
                     const StageInputs& inputs) {
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    if (context.owns(layer)) {
      const std::string layer_name = layer_state_name(state_name, layer);
      const auto folder = context.job.begin_state(layer_name);
      write_sums(context, *statistics[static_cast<std::size_t>(layer)], folder / sums_file);
      context.job.publish_state(layer_name, inputs.fingerprint());
    }
  }
  publish_stage(context, state_name, inputs, [](const std::filesystem::path&) {});
}

bool has_statistics(const StageContext& context, const StageInputs& inputs) {
  return has_stage(context, state_name, inputs);
}

std::vector<std::optional<LayerStatistics>> load_statistics(const StageContext& context,
                                                            const StageInputs& inputs) {
  std::vector<std::optional<LayerStatistics>> statistics(static_cast<std::size_t>(context.layers()));
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    if (context.owns(layer)) {
      const auto folder = state_folder(context, layer_state_name(state_name, layer), inputs);
      statistics[static_cast<std::size_t>(layer)] = read_sums(context, layer, folder / sums_file);
    }
  }
  return statistics;
}

}  // namespace cce
