#include "coordinator/forecast/weight_check.h"

#include <cmath>
#include <string>

#include "common/base/error.h"
#include "common/base/number_format.h"
#include "common/cost/kept_share.h"
#include "common/model/architecture.h"
#include "common/model/safetensors_header.h"
#include "common/model/weight_values.h"
#include "coordinator/forecast/checkpoint_facts.h"

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

[[noreturn]] void refuse(const fs::path& shard, const TensorEntry& tensor, const UnheldValues& found,
                         const std::string& dtype) {
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
              .where = shard.string() + ", " + tensor.name,
              .found = where_in,
              .expected = is_finite ? "at most " + format_number(static_cast<double>(largest_finite(dtype))) +
                                          ", the largest number of export.dtype"
                                    : "finite weights",
              .remedy = is_finite ? "Set export.dtype to a wider type: f32 holds every weight"
                                  : "Take the checkpoint from before the merge or conversion that left it"};
}

void check_shard(const FileSystem& files, const fs::path& shard, const std::string& dtype) {
  const MappedFile mapped = files.map_readonly(shard);
  const SafetensorsHeader header = parse_safetensors_header(mapped.bytes(), shard.string());
  for (const TensorEntry& tensor : header.tensors) {
    if (is_ignorable_tensor(tensor.name)) {
      continue;
    }
    check_weight_dtype(tensor, shard.string());
    const StoredValues values{
        mapped.bytes().subspan(static_cast<std::size_t>(header.data_offset + tensor.begin),
                               static_cast<std::size_t>(tensor.bytes())),
        tensor.dtype};
    if (const std::optional<UnheldValues> found = find_unheld_values(values, dtype)) {
      refuse(shard, tensor, *found, dtype);
    }
  }
}

void check_folder(const FileSystem& files, const fs::path& folder, const std::string& dtype) {
  for (const std::string& name : shard_names(files, folder)) {
    check_shard(files, folder / name, dtype);
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
