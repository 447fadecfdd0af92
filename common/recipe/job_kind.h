#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/recipe/name_table.h"

namespace cce {

struct JobSpec;

/// What a worker does, in the order in which a job does it.
enum class Stage { calibrate, analyze, make_plan, encode, finetune, evaluate, export_result };

/// What a job is for. JOB/spec.json holds it as `kind`; the command that makes the job chooses it.
enum class JobKind { compress, plan, analyze, evaluate, finetune, export_result };

/// What a job leaves in JOB/result: a checkpoint with its report, the report alone, or nothing (what a dry run
/// would do, and what it would take).
enum class JobResult { checkpoint, report, forecast };

/// One kind of job. A new kind is a value of JobKind and a row of job_kinds().
struct JobKindRow {
  JobKind kind = JobKind::compress;
  std::string name;              ///< of its command, and in spec.json
  std::vector<Stage> stages;     ///< in order
  bool trains_if_asked = false;  ///< Stage::finetune is left out where the recipe has no budget for it
  std::string text_key;          ///< the recipe's key that --text sets and that must name a text; empty: none
  bool holds_out = false;        ///< without texts to evaluate on, --text keeps its last windows for that
  JobResult result = JobResult::checkpoint;
};

const std::vector<JobKindRow>& job_kinds();
const JobKindRow& row_of(JobKind kind);
const JobKindRow& kind_of(const JobSpec& spec);

/// What the job does, in order: its kind's stages, fine-tuning only where it is asked for. No other file
/// decides this.
std::vector<Stage> stages_of(const JobSpec& spec);
bool runs(const JobSpec& spec, Stage stage);

/// The kind whose jobs do just these stages; std::nullopt where there is none. spec.json files without
/// `kind` are read by it.
std::optional<JobKind> kind_that_does(const std::vector<Stage>& stages);

const NameTable<Stage>& stage_names();
const NameTable<JobKind>& job_kind_names();
std::string_view stage_name(Stage stage);
std::vector<std::string> stage_names_of(const JobSpec& spec);

}  // namespace cce
