#include "common/job/job_checks.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "common/model/format_rules.h"
#include "common/model/formats/format.h"
#include "common/recipe/job_spec_names.h"

namespace cce {
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
  if (!runs(spec, Stage::finetune)) {
    return;
  }
  const FinetuneSettings& finetune = spec.finetune;
  refuse(!finetune.asked_for(), "finetune.max_tokens", "no budget",
         "finetune.max_tokens or finetune.max_seconds above 0", "Set one of them");
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

void check_combinations(const JobSpec& spec) {
  const ExportFormat format = spec.export_settings.format;
  const std::string format_text = "export.format=" + std::string(format_name(format));
  for (const Structure structure : spec.structures) {
    if (!allows(format, structure)) {
      throw Error{.code = ErrorCode::impossible_combination,
                  .where = "structures, " + format_text,
                  .found = std::string(structure_name(structure)),
                  .expected = "some of " + structure_list(structures_of(format)),
                  .remedy = "Leave it out, or choose export.format=" + formats_of_differing_layers()};
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
  if (spec.calibration.gradient_sequences > spec.calibration.sequences) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "calibration.gradient_sequences",
                .found = std::to_string(spec.calibration.gradient_sequences),
                .expected = "at most calibration.sequences = " + std::to_string(spec.calibration.sequences),
                .remedy = "Lower calibration.gradient_sequences, or leave it out: a quarter is the default."};
  }
  if (spec.resources.precision == "tf32" && spec.resources.device == "cpu") {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "resources.precision, resources.device=cpu",
                .found = "tf32",
                .expected = "one of auto, bf16, f32",
                .remedy = "Choose f32, or resources.device=cuda"};
  }
  if (!spec.from.empty() && spec.kind != JobKind::compress && spec.kind != JobKind::plan) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "from",
                .found = "a job that does not compress",
                .expected = "no job to start from, since only a compression uses statistics",
                .remedy = "Leave it out"};
  }
  check_training(spec);
  refuse_unsupported(spec);
}

void check_structures(const JobSpec& spec, const ModelConfig& config) {
  const bool names_qk =
      std::find(spec.structures.begin(), spec.structures.end(), Structure::qk) != spec.structures.end();
  const bool keep_whole =
      std::all_of(config.layers.begin(), config.layers.end(),
                  [](const LayerShape& layer) { return !layer.has_attention || layer.keeps_qk_whole(); });
  if (names_qk && keep_whole) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "structures",
                .found = std::string(structure_name(Structure::qk)),
                .expected = "structures that " + config.architecture + " can give up",
                .remedy = "Leave qk out: this model norms each query and key head, which keeps its width"};
  }
}

}  // namespace cce
