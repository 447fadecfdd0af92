#include "coordinator/forecast/weight_check.h"

#include <cmath>
#include <string>

#include "common/base/error.h"
#include "common/base/number_format.h"
#include "common/cost/kept_share.h"
#include "common/model/checkpoint/checkpoint_files.h"
#include "common/model/checkpoint/fp8.h"
#include "common/model/weight_values.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

/// The dtype of the result in safetensors' spelling; empty where nothing is exported.
std::string exported_dtype(const JobSpec& spec) {
  const std::string& dtype = spec.export_settings.dtype;
  if (!runs(spec, Stage::export_result)) {
    return "";
  }
  return dtype == "f32" ? "F32" : dtype == "f16" ? "F16" : "BF16";
}

std::string index_text(std::int64_t index, const std::vector<std::int64_t>& shape) {
  std::string text;
  for (std::size_t i = shape.size(); i > 0; --i) {
    const std::int64_t extent = shape[i - 1];
    text = std::to_string(index % extent) + (text.empty() ? "" : ", ") + text;
    index /= extent;
  }
  return "[" + text + "]";
}

[[noreturn]] void refuse(const StoredTensor& tensor, const UnheldValues& found, const std::string& dtype) {
  const bool is_finite = std::isfinite(found.value);
  const std::string value = is_finite                 ? format_number(static_cast<double>(found.value))
                            : std::isnan(found.value) ? "NaN"
                            : found.value > 0.0F      ? "infinity"
                                                      : "-infinity";
  std::string where_in = value + " at " + index_text(found.first, tensor.shape);
  if (found.count > 1) {
    where_in += ", the first of " + std::to_string(found.count) + " such values";
  }
  throw Error{.code = ErrorCode::out_of_range,
              .where = place_of(tensor),
              .found = where_in,
              .expected = is_finite ? "at most " + format_number(static_cast<double>(largest_finite(dtype))) +
                                          ", the largest number of export.dtype"
                                    : "finite weights",
              .remedy = is_finite ? "Set export.dtype to a wider type: f32 holds every weight"
                                  : "Take the checkpoint from before the merge or conversion that left it"};
}

void check_folder(const FileSystem& files, const fs::path& folder, const std::string& dtype) {
  const CheckpointFiles checkpoint = CheckpointFiles::open(files, folder);
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    if (const std::optional<UnheldValues> found = find_unheld_values(tensor, dtype)) {
      refuse(tensor, *found, dtype);
    }
  }
}

}  // namespace

void check_weights(const FileSystem& files, const JobSpec& spec) {
  check_folder(files, spec.model, exported_dtype(spec));
  const std::string& teacher = spec.finetune.teacher;
  if (runs(spec, Stage::finetune) && !teacher.empty() && teacher != spec.model) {
    check_folder(files, teacher, "");
  }
}

}  // namespace cce
