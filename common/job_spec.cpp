#include "common/job_spec.h"

#include <algorithm>

#include "common/error.h"
#include "common/format_rules.h"
#include "common/job_spec_names.h"
#include "common/nearest_name.h"

namespace cce {
namespace {

template <typename Value>
std::string_view name_in(const NameTable<Value>& table, Value wanted) {
  for (const auto& [name, value] : table) {
    if (value == wanted) {
      return name;
    }
  }
  throw Error{.code = ErrorCode::invalid_argument,
              .where = "name of a setting",
              .found = std::to_string(static_cast<int>(wanted)),
              .expected = "a listed value",
              .remedy = ""};
}

}  // namespace

const NameTable<Stage>& stage_names() {
  static const NameTable<Stage> names = {{"calibrate", Stage::calibrate}, {"analyze", Stage::analyze},
                                         {"make_plan", Stage::make_plan}, {"encode", Stage::encode},
                                         {"finetune", Stage::finetune},   {"evaluate", Stage::evaluate},
                                         {"export", Stage::export_result}};
  return names;
}

const NameTable<Structure>& structure_names() {
  static const NameTable<Structure> names = {
      {"ffn", Structure::ffn},       {"vo", Structure::vo},
      {"qk", Structure::qk},         {"kv_groups", Structure::kv_groups},
      {"blocks", Structure::blocks}, {"layers", Structure::layers}};
  return names;
}

const NameTable<ExportFormat>& format_names() {
  static const NameTable<ExportFormat> names = {{"uniform", ExportFormat::uniform},
                                                {"deci", ExportFormat::deci},
                                                {"custom", ExportFormat::custom},
                                                {"dense", ExportFormat::dense}};
  return names;
}

const NameTable<RefitTarget>& refit_target_names() {
  static const NameTable<RefitTarget> names = {{"none", RefitTarget::none},
                                               {"random", RefitTarget::random},
                                               {"local", RefitTarget::local},
                                               {"error_aware", RefitTarget::error_aware}};
  return names;
}

const NameTable<GuardMode>& guard_mode_names() {
  static const NameTable<GuardMode> names = {{"warn", GuardMode::warn}, {"stop", GuardMode::stop}};
  return names;
}

const NameTable<TargetKind>& target_kind_names() {
  static const NameTable<TargetKind> names = {{"remove_params", TargetKind::remove_params},
                                              {"remove_flops", TargetKind::remove_flops},
                                              {"fit_bytes", TargetKind::fit_bytes},
                                              {"threshold", TargetKind::threshold}};
  return names;
}

std::int64_t ranks_per_node(const ResourceSettings& resources) {
  return (resources.ranks + resources.nodes - 1) / resources.nodes;
}

std::string_view stage_name(Stage stage) {
  return name_in(stage_names(), stage);
}
std::string_view structure_name(Structure structure) {
  return name_in(structure_names(), structure);
}
std::string_view format_name(ExportFormat format) {
  return name_in(format_names(), format);
}
std::string_view refit_target_name(RefitTarget target) {
  return name_in(refit_target_names(), target);
}
std::string_view guard_mode_name(GuardMode mode) {
  return name_in(guard_mode_names(), mode);
}
std::string_view target_kind_name(TargetKind kind) {
  return name_in(target_kind_names(), kind);
}

namespace {

/// Keys of the recipe whose work this version does not do: set to anything but nothing, they are refused.
void refuse_unsupported(const JobSpec& spec) {
  const auto refuse = [](bool is_set, const char* key, const char* allowed) {
    if (is_set) {
      throw Error{.code = ErrorCode::unsupported,
                  .where = key,
                  .found = "a value that asks for more than this version does",
                  .expected = allowed,
                  .remedy = "Leave the key out"};
    }
  };
  const ExportFormat format = spec.export_settings.format;
  refuse(format == ExportFormat::deci || format == ExportFormat::dense, "export.format", "uniform or custom");
  refuse(!spec.evaluate.tasks.empty(), "evaluate.tasks", "an empty list");
  refuse(spec.resources.gpus_per_rank > 1, "resources.gpus_per_rank", "1");
}

/// What refinement and fine-tuning need of the rest of the recipe.
void check_training(const JobSpec& spec) {
  const auto refuse = [](bool impossible, const char* key, std::string found, const char* expected,
                         const char* remedy) {
    if (impossible) {
      throw Error{.code = ErrorCode::impossible_combination,
                  .where = key,
                  .found = std::move(found),
                  .expected = expected,
                  .remedy = remedy};
    }
  };
  refuse(spec.encode.refine_steps > 0 && spec.encode.target != RefitTarget::error_aware,
         "encode.refine_steps", std::string("encode.target=").append(refit_target_name(spec.encode.target)),
         "error_aware targets", "Set encode.target=error_aware, or encode.refine_steps=0");
  const bool finetunes =
      std::find(spec.stages.begin(), spec.stages.end(), Stage::finetune) != spec.stages.end();
  if (!finetunes) {
    return;
  }
  const FinetuneSettings& finetune = spec.finetune;
  refuse(finetune.text.empty(), "finetune.text", "no text", "at least one file",
         "Name one in finetune.text, or set finetune.max_tokens=0");
  refuse(finetune.batch_tokens < spec.calibration.length, "finetune.batch_tokens",
         std::to_string(finetune.batch_tokens), "at least one window (calibration.length tokens)",
         "Raise finetune.batch_tokens or lower calibration.length");
  refuse(spec.resources.ranks > std::max<std::int64_t>(1, finetune.batch_tokens / spec.calibration.length),
         "resources.ranks", std::to_string(spec.resources.ranks),
         "at most one rank for each window of a step (finetune.batch_tokens / calibration.length)",
         "Use fewer ranks, or raise finetune.batch_tokens");
  refuse(finetune.alpha + finetune.beta + finetune.gamma + finetune.kl + finetune.delta <= 0.0, "finetune",
         "every term's weight 0", "at least one of alpha, beta, gamma, kl, delta above 0",
         "Set finetune.kl=1");
}

}  // namespace

std::vector<Stage> stages_of_compression(const FinetuneSettings& finetune) {
  std::vector<Stage> stages{Stage::calibrate, Stage::analyze,  Stage::make_plan,
                            Stage::encode,    Stage::evaluate, Stage::export_result};
  if (finetune.asked_for()) {
    stages.insert(std::find(stages.begin(), stages.end(), Stage::evaluate), Stage::finetune);
  }
  return stages;
}

void check_combinations(const JobSpec& spec) {
  const ExportFormat format = spec.export_settings.format;
  const std::string format_text = "export.format=" + std::string(format_name(format));
  for (const Structure structure : spec.structures) {
    if (!allows(format, structure)) {
      throw Error{.code = ErrorCode::impossible_combination,
                  .where = "structures, " + format_text,
                  .found = std::string(structure_name(structure)),
                  .expected = "some of " + structure_list(structures_of(format)),
                  .remedy = "Leave it out, or choose export.format=custom"};
    }
    const bool drops_parts = structure == Structure::blocks || structure == Structure::layers;
    if (drops_parts && spec.target.kind == TargetKind::threshold) {
      throw Error{.code = ErrorCode::impossible_combination,
                  .where = "structures, target.threshold",
                  .found = std::string(structure_name(structure)),
                  .expected = "structures that have components: ffn, vo",
                  .remedy = "Leave it out, or choose target.remove_params"};
    }
  }
  const std::int64_t step = ffn_step_floor(format);
  if (spec.export_settings.round_to % step != 0) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "export.round_to, " + format_text,
                .found = std::to_string(spec.export_settings.round_to),
                .expected = "a multiple of " + std::to_string(step),
                .remedy = "Set export.round_to=" + std::to_string(step)};
  }
  if (spec.calibration.gradient_sequences > spec.calibration.sequences) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "calibration.gradient_sequences",
                .found = std::to_string(spec.calibration.gradient_sequences),
                .expected = "at most calibration.sequences = " + std::to_string(spec.calibration.sequences),
                .remedy = ""};
  }
  if (spec.resources.precision == "tf32" && spec.resources.device == "cpu") {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "resources.precision, resources.device=cpu",
                .found = "tf32",
                .expected = "one of auto, bf16, f32",
                .remedy = "Choose f32, or resources.device=cuda"};
  }
  check_training(spec);
  refuse_unsupported(spec);
}

}  // namespace cce
