// The table of recipe_keys.h. A row: type and name, member, range or choices; then in words what it does, and
// what differs from the section's other rows.
#include "common/recipe/recipe_table.h"

#include "common/base/number_format.h"
#include "common/recipe/job_spec_names.h"
#include "common/recipe/key_section.h"

namespace cce {
namespace {

RecipeSection similarity_keys() {
  using Settings = SimilaritySettings;
  KeySection<Settings> section("similarity", "How alike layers are.", &JobSpec::similarity, {Stage::analyze});
  section.number("weight", &Settings::weight, fraction)
      .says("κ: how much likeness to another layer of its cluster lowers a layer's cost");
  section.number("cluster_threshold", &Settings::cluster_threshold, fraction)
      .says("similarity from which two layers share a cluster")
      .decides({Stage::analyze, Stage::finetune});
  return section.take();
}

RecipeSection encode_keys() {
  using Settings = EncodeSettings;
  KeySection<Settings> section("encode", "How parts are chosen and what is left is refitted.",
                               &JobSpec::encode, {Stage::encode});
  const std::vector<Stage> scores{Stage::analyze, Stage::make_plan};
  section.choice("target", &Settings::target, refit_target_names())
      .says(
          "what kept parts are refitted to: `error_aware` to the dense model's stream, whatever the "
          "compressed layers before did to it; `local` to the dense layer's own output; `none` not at all; "
          "`random` hands what a removed neuron did to a kept one drawn at random")
      .decides({Stage::make_plan, Stage::encode});
  section.integer("refine_steps", &Settings::refine_steps, from_zero)
      .says("AdamW steps on each sub-block right after its refit, on the calibration text");
  section.integer("refine_batch_tokens", &Settings::refine_batch_tokens, from_one)
      .unit("tokens")
      .says("of one such step");
  section.number("refine_learning_rate", &Settings::refine_learning_rate, learning_rates)
      .says("of the first such step; it falls to 0 as a cosine");
  section.boolean("gradient_weighted_covariance", &Settings::gradient_weighted_covariance)
      .says("false takes the gradient's weights out of the covariance, to measure them")
      .decides(scores);
  section.boolean("loss_weighted_scores", &Settings::loss_weighted_scores)
      .says("false takes the loss metric out of the elimination's scores, to measure it")
      .decides(scores);
  section.integer("elimination_block", &Settings::elimination_block, {.lowest = 1, .highest = 4096})
      .unit("neurons")
      .says("that are removed between two updates of the scores")
      .decides(scores);
  section.boolean("token_weights", &Settings::token_weights)
      .says("false gives every token the same weight in the refit, to measure the weights");
  section
      .or_auto("ridge_lambda", &Settings::ridge_lambda,
               form_of(NumberRange{.lowest = 0.0, .highest = 1e3, .above_lowest = true}),
               [](const JsonReader& value) {
                 return value.number({.lowest = 0.0, .highest = 1e3, .above_lowest = true});
               })
      .says("pull of the refit towards the weights it starts from; `auto` chooses it on held-out sequences");
  section.boolean("equal_budgets", &Settings::equal_budgets)
      .says("true removes the same fraction everywhere, to measure the choice")
      .decides({Stage::make_plan});
  return section.take();
}

RecipeSection finetune_keys() {
  using Settings = FinetuneSettings;
  KeySection<Settings> section("finetune", "Training after the removal, where a budget asks for it.",
                               &JobSpec::finetune, {Stage::finetune});
  section.texts("text", &Settings::text).says("each text has the same share of the tokens");
  section.texts("validation", &Settings::validation).says("text that the best weights are chosen on");
  section.integer("max_tokens", &Settings::max_tokens, from_zero)
      .unit("tokens")
      .says("that training may take; 0: as many as `max_seconds` allows; both 0: no training");
  section.number("max_seconds", &Settings::max_seconds, not_negative)
      .unit("seconds")
      .says("that training may take; 0: no limit; both set: whichever ends first");
  section.number("learning_rate", &Settings::learning_rate, learning_rates)
      .says("at the end of the warm-up; then it falls to 0 as a cosine");
  section.integer("batch_tokens", &Settings::batch_tokens, from_one)
      .unit("tokens")
      .says("of a step, over all ranks; at least one window for each rank");
  section.number("warmup", &Settings::warmup, fraction)
      .says("fraction of the steps until the rate is reached");
  section.number("clip", &Settings::clip, not_negative)
      .says("largest global norm of a gradient; 0: not clipped");
  section.number("weight_decay", &Settings::weight_decay, fraction).says("AdamW's decay of matrices");
  section.number("alpha", &Settings::alpha, not_negative)
      .says("weight of L_rec: how far the streams are apart");
  section.number("beta", &Settings::beta, not_negative).says("weight of L_sim: likeness within clusters");
  section.number("gamma", &Settings::gamma, not_negative)
      .says("weight of L_reg: nuclear norm / Frobenius norm");
  section.number("kl", &Settings::kl, not_negative)
      .says("weight of the KL divergence from the teacher's next tokens");
  section.number("delta", &Settings::delta, not_negative)
      .says("weight of the next-token loss on the text itself");
  section.path("teacher", &Settings::teacher, KeyPath::existing, "a Hugging Face folder", nullptr)
      .says("the checkpoint to learn from")
      .defaults_to("`model`");
  section.text("teacher_digest", &Settings::teacher_digest)
      .says("of the teacher's files' contents")
      .filled_by_run();
  section.integer("validate_steps", &Settings::validate_steps, from_zero)
      .unit("steps")
      .says("between two looks at the validation text; 0: an eighth of all");
  section.integer("patience", &Settings::patience, from_one)
      .unit("looks")
      .says("without a better one until training stops");
  section.integer("checkpoint_steps", &Settings::checkpoint_steps, from_one)
      .unit("steps")
      .says("between two checkpoints");
  return section.take();
}

RecipeSection export_keys() {
  using Settings = ExportSettings;
  KeySection<Settings> section("export", "The checkpoint that is written.", &JobSpec::export_settings,
                               {Stage::make_plan, Stage::export_result});
  section.choice("format", &Settings::format, format_names())
      .says("decides what may shrink and which programs load the result");
  section.integer("round_to", &Settings::round_to, {.lowest = 1, .highest = 65536})
      .says("FFN widths are multiples of it; 256 suits GGUF's k-quants")
      .decides({Stage::make_plan});
  section.word("dtype", &Settings::dtype, {"bf16", "f16", "f32"}).says("of the stored tensors");
  return section.take();
}

RecipeSection evaluate_keys() {
  using Settings = EvaluateSettings;
  KeySection<Settings> section("evaluate", "What the result is measured on.", &JobSpec::evaluate,
                               {Stage::evaluate});
  section.texts("text", &Settings::text).says("perplexity before and after, of each text");
  section.integer("samples", &Settings::samples, {.lowest = 0, .highest = 1000})
      .says("greedy continuations that the report shows");
  return section.take();
}

RecipeSection guard_keys() {
  using Settings = GuardSettings;
  KeySection<Settings> section("guard", "Limits of what signs of failure may show.", &JobSpec::guard,
                               {Stage::evaluate});
  section.choice("mode", &Settings::mode, guard_mode_names())
      .says("`stop` ends the job where a value passes its limit");
  section.number("perplexity_increase", &Settings::perplexity_increase, not_negative)
      .says("largest (after − before) / before");
  section.number("attention_variance_ratio", &Settings::attention_variance_ratio, not_negative)
      .says("smallest after / before over the heads");
  section.number("position_drift", &Settings::position_drift, not_negative)
      .unit("nats")
      .says("how much more late positions may lose than early ones");
  return section.take();
}

RecipeSection resource_keys() {
  using Settings = ResourceSettings;
  KeySection<Settings> section("resources", "Where and with what a job runs.", &JobSpec::resources, {});
  section.integer("ranks", &Settings::ranks, {.lowest = 1, .highest = 65536})
      .unit("processes")
      .says("that share the work, at most one for each calibration window");
  section
      .or_auto("threads", &Settings::threads, form_of(IntegerRange{.lowest = 1, .highest = 4096}),
               [](const JsonReader& value) { return value.integer({.lowest = 1, .highest = 4096}); })
      .says("of each rank; `auto` is cores / ranks");
  section.word("device", &Settings::device, {"auto", "cpu", "cuda"})
      .says(
          "`auto` is `cuda` where every rank sees a GPU, but the forecast of memory is then the CPU's: say "
          "`cuda` where GPUs are meant");
  section.word("precision", &Settings::precision, {"auto", "bf16", "f32", "tf32"})
      .says(
          "of matrix products; `auto` is `bf16` where the device is fast at it, else `f32`; `tf32` is f32 in "
          "memory, multiplied with ten bits on a GPU");
  section.or_auto("memory", &Settings::memory_bytes, form_of_bytes(), read_bytes)
      .says(
          "of each rank; `auto` is what is free / ranks; the GPU's with `device: cuda`, and where `auto` "
          "takes GPUs");
  section.integer("nodes", &Settings::nodes, {.lowest = 1, .highest = 65536})
      .says("on a cluster: that the ranks are spread over, at most `ranks`");
  section.integer("gpus_per_rank", &Settings::gpus_per_rank, {.lowest = 0, .highest = 64})
      .says("0 or 1; asked for with `device: cuda` only");
  section.name("partition", &Settings::partition).says("on a cluster: as Slurm knows it");
  section.name("account", &Settings::account).says("on a cluster: as Slurm knows it");
  section.name("qos", &Settings::qos).says("on a cluster: as Slurm knows it");
  section.name("constraint", &Settings::constraint).says("on a cluster: as Slurm knows it");
  section.names("modules", &Settings::modules)
      .says("on a cluster: environment modules that are loaded, such as [openmpi/4.1]");
  section.path("container", &Settings::container, KeyPath::existing, "an Apptainer image")
      .says("on a cluster: that has `cce-worker` in it");
  section
      .field(
          "time_limit", &Settings::time_limit, {"text such as 90s, 30m, 2h or 1d", {{"type", "string"}}},
          [](const JsonReader& value) {
            std::string text = value.text();
            parse_duration_seconds(text, value.where());
            return text;
          },
          [](const std::string& text) { return OrderedJson(text); })
      .says("of a run; on a cluster, of each stay on its nodes");
  return section.take();
}

}  // namespace

const std::vector<RecipeSection>& recipe_sections() {
  static const std::vector<RecipeSection> sections{
      model_keys(),      calibration_keys(), target_keys(),   threshold_keys(), structure_keys(),
      similarity_keys(), encode_keys(),      finetune_keys(), export_keys(),    evaluate_keys(),
      guard_keys(),      resource_keys(),    kind_keys()};
  return sections;
}

}  // namespace cce
