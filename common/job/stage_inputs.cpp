#include "common/job/stage_inputs.h"

#include <utility>

#include "common/base/digest.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/model/format_rules.h"

namespace cce {
namespace {

/// One key, or a section with all its keys, and a stage that it decides.
struct DecidingKey {
  Stage stage;
  const char* path;
};

constexpr DecidingKey deciding_key_rows[] = {
    {Stage::calibrate, "seed"},
    {Stage::calibrate, "calibration.length"},
    {Stage::calibrate, "calibration.sequences"},
    {Stage::calibrate, "calibration.gradient_sequences"},
    {Stage::analyze, "similarity"},
    {Stage::analyze, "encode.gradient_weighted_covariance"},
    {Stage::analyze, "encode.loss_weighted_scores"},
    {Stage::analyze, "encode.elimination_block"},
    {Stage::make_plan, "target"},
    {Stage::make_plan, "threshold"},
    {Stage::make_plan, "structures"},
    {Stage::make_plan, "export.format"},
    {Stage::make_plan, "export.round_to"},
    {Stage::make_plan, "export.dtype"},
    {Stage::make_plan, "encode.target"},
    {Stage::make_plan, "encode.equal_budgets"},
    {Stage::encode, "encode"},
};

/// The value at "section.key"; nothing where the recipe has none (target, or threshold).
const OrderedJson* value_at(const OrderedJson& document, const std::string& path) {
  const std::size_t dot = path.find('.');
  const auto found = document.find(path.substr(0, dot));
  if (found == document.end()) {
    return nullptr;
  }
  return dot == std::string::npos ? &*found : value_at(*found, path.substr(dot + 1));
}

}  // namespace

std::string StageInputs::fingerprint() const {
  Digest digest;
  for (const auto& [name, value] : values_) {
    digest.add_field(name);
    digest.add_field(value);
  }
  return digest.finish_hex();
}

std::vector<std::string> StageInputs::differences(const StageInputs& other) const {
  std::vector<std::string> names;
  for (const auto& [name, value] : values_) {
    const auto found = other.values_.find(name);
    if (found != other.values_.end() && found->second != value) {
      names.push_back(name);
    }
  }
  return names;
}

std::string StageInputs::to_json() const {
  return pretty_json(OrderedJson(values_));
}

StageInputs StageInputs::parse(const std::string& json_text, const std::string& where) {
  const Json document = parse_json(json_text, where);
  JsonReader reader(document, where);
  StageInputs inputs;
  for (const std::string& name : reader.keys()) {
    inputs.set(name, reader.required(name).text());
  }
  return inputs;
}

StageInputs deciding_keys(const JobSpec& spec, Stage stage) {
  const OrderedJson document = OrderedJson::parse(to_json(spec));
  StageInputs inputs;
  for (const DecidingKey& row : deciding_key_rows) {
    const OrderedJson* value = row.stage == stage ? value_at(document, row.path) : nullptr;
    if (value != nullptr) {
      inputs.set(row.path, value->dump());
    }
  }
  if (stage == Stage::analyze) {
    const auto yes_or_no = [](bool holds) { return holds ? "yes" : "no"; };
    inputs.set("a threshold as target", yes_or_no(spec.target.kind == TargetKind::threshold));
    inputs.set("blocks that may be dropped", yes_or_no(uses_structure(spec, Structure::blocks)));
    inputs.set("layers that may be dropped", yes_or_no(uses_structure(spec, Structure::layers)));
  }
  return inputs;
}

StageInputs known_calibrate_inputs(const JobSpec& spec, const Partition& partition) {
  StageInputs inputs = deciding_keys(spec, Stage::calibrate);
  if (!spec.model_digest.empty()) {
    inputs.set("model", spec.model_digest);
  }
  Partition deciding = partition;
  deciding.forecast.clear();
  inputs.set("resources.ranks", std::to_string(partition.ranks()));
  inputs.set("partition", digest_of_text(to_json(deciding)));
  return inputs;
}

}  // namespace cce
