#include "common/job/stage_inputs.h"

#include <optional>
#include <utility>

#include "common/base/digest.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/model/format_rules.h"
#include "common/recipe/recipe_keys.h"

namespace cce {

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
  StageInputs inputs;
  for (const RecipeKey* key : decides(stage)) {
    const std::optional<OrderedJson> value = key->print(spec);
    if (value && key->path == KeyPath::none) {
      inputs.set(key->key_path(), value->dump());
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
