#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/job/partition.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// What the state of a stage was made from, by name: a recipe's keys by their path, other inputs by a word of
/// their own, values that are long as digests. Runs whose inputs are the same may use each other's state.
class StageInputs {
 public:
  void set(const std::string& name, std::string value) { values_[name] = std::move(value); }

  /// SHA-256 over all names and values.
  std::string fingerprint() const;
  /// The names that both have with other values, in order.
  std::vector<std::string> differences(const StageInputs& other) const;

  /// state/NAME/inputs.json and back. Errors: malformed_file, wrong_type.
  std::string to_json() const;
  static StageInputs parse(const std::string& json_text, const std::string& where);

 private:
  std::map<std::string, std::string> values_;
};

/// The recipe's keys that decide what `stage` computes from what the stages before it left. Texts are not
/// among them: their contents count, which the worker knows. Nothing of the target or the format decides
/// calibrate; of analyze only whether the target is a threshold and which parts may be dropped.
StageInputs deciding_keys(const JobSpec& spec, Stage stage);

/// What the coordinator knows of calibrate's inputs before anything runs: the keys, the model's digest where
/// the job has it, ranks and partition (its forecast decides nothing).
StageInputs known_calibrate_inputs(const JobSpec& spec, const Partition& partition);

}  // namespace cce
