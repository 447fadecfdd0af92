#include "common/recipe/job_kind.h"

#include <algorithm>

#include "common/recipe/job_spec.h"

namespace cce {
namespace {

std::vector<Stage> without_training(std::vector<Stage> stages) {
  std::erase(stages, Stage::finetune);
  return stages;
}

}  // namespace

const std::vector<JobKindRow>& job_kinds() {
  static const std::vector<Stage> compression{Stage::calibrate,    Stage::analyze,  Stage::make_plan,
                                              Stage::encode,       Stage::finetune, Stage::evaluate,
                                              Stage::export_result};
  static const std::vector<JobKindRow> rows{
      {.kind = JobKind::compress,
       .name = "compress",
       .stages = compression,
       .trains_if_asked = true,
       .text_key = "calibration.text",
       .holds_out = true,
       .result = JobResult::checkpoint},
      {.kind = JobKind::plan,
       .name = "plan",
       .stages = compression,
       .trains_if_asked = true,
       .text_key = "calibration.text",
       .holds_out = true,
       .result = JobResult::forecast},
      {.kind = JobKind::analyze,
       .name = "analyze",
       .stages = {Stage::calibrate, Stage::analyze},
       .text_key = "calibration.text",
       .result = JobResult::report},
      {.kind = JobKind::evaluate,
       .name = "evaluate",
       .stages = {Stage::evaluate},
       .text_key = "evaluate.text",
       .result = JobResult::report},
      {.kind = JobKind::finetune,
       .name = "finetune",
       .stages = {Stage::finetune, Stage::evaluate, Stage::export_result},
       .text_key = "finetune.text",
       .holds_out = true,
       .result = JobResult::checkpoint},
      {.kind = JobKind::export_result,
       .name = "export",
       .stages = {Stage::export_result},
       .text_key = "",
       .result = JobResult::checkpoint},
  };
  return rows;
}

const JobKindRow& row_of(JobKind kind) {
  const auto found = std::find_if(job_kinds().begin(), job_kinds().end(),
                                  [kind](const JobKindRow& row) { return row.kind == kind; });
  if (found == job_kinds().end()) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "kind of a job",
                .found = std::to_string(static_cast<int>(kind)),
                .expected = "a listed kind",
                .remedy = "Report this: it is a bug."};
  }
  return *found;
}

const JobKindRow& kind_of(const JobSpec& spec) {
  return row_of(spec.kind);
}

std::vector<Stage> stages_of(const JobSpec& spec) {
  const JobKindRow& row = kind_of(spec);
  return row.trains_if_asked && !spec.finetune.asked_for() ? without_training(row.stages) : row.stages;
}

bool runs(const JobSpec& spec, Stage stage) {
  const std::vector<Stage> stages = stages_of(spec);
  return std::find(stages.begin(), stages.end(), stage) != stages.end();
}

std::optional<JobKind> kind_that_does(const std::vector<Stage>& stages) {
  for (const JobKindRow& row : job_kinds()) {
    if (stages == row.stages || (row.trains_if_asked && stages == without_training(row.stages))) {
      return row.kind;
    }
  }
  return std::nullopt;
}

const NameTable<Stage>& stage_names() {
  static const NameTable<Stage> names = {{"calibrate", Stage::calibrate}, {"analyze", Stage::analyze},
                                         {"make_plan", Stage::make_plan}, {"encode", Stage::encode},
                                         {"finetune", Stage::finetune},   {"evaluate", Stage::evaluate},
                                         {"export", Stage::export_result}};
  return names;
}

const NameTable<JobKind>& job_kind_names() {
  static const NameTable<JobKind> names = [] {
    NameTable<JobKind> table;
    for (const JobKindRow& row : job_kinds()) {
      table.emplace_back(row.name, row.kind);
    }
    return table;
  }();
  return names;
}

std::string_view stage_name(Stage stage) {
  return name_in(stage_names(), stage);
}

std::vector<std::string> stage_names_of(const JobSpec& spec) {
  std::vector<std::string> names;
  for (const Stage stage : stages_of(spec)) {
    names.emplace_back(stage_name(stage));
  }
  return names;
}

}  // namespace cce
