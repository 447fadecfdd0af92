// Rows of the table in recipe_keys.h that are more than a member with a range: what a job works on and aims at.
#include <limits>

#include "common/base/number_format.h"
#include "common/recipe/job_spec_names.h"
#include "common/recipe/key_section.h"
#include "common/recipe/recipe_table.h"

namespace cce {
namespace {

std::vector<Stage> every_stage() {
  std::vector<Stage> stages;
  for (const auto& [name, stage] : stage_names()) {
    stages.push_back(stage);
  }
  return stages;
}

/// A key of `target`: its kind with an amount, read by `amount`.
template <typename Amount, typename Print>
KeyRow target_row(KeySection<Target>& section, TargetKind kind, const ValueForm& form, Amount amount,
                  Print print) {
  const std::string name(target_kind_name(kind));
  return section.row(
      name.c_str(), form,
      [kind, amount](const JsonReader& value, Target& target) {
        target.kind = kind;
        target.amount = amount(value);
      },
      [kind, print](const Target& target) {
        return target.kind == kind ? std::optional(print(target.amount)) : std::nullopt;
      });
}

}  // namespace

RecipeSection model_keys() {
  KeySection<JobSpec> top("", "", nullptr, {});
  top.path("model", &JobSpec::model, KeyPath::existing, "a Hugging Face folder")
      .says("the checkpoint")
      .required();
  top.text("model_digest", &JobSpec::model_digest)
      .says("of its files' contents: what a resume compares")
      .filled_by_run();
  top.path("output", &JobSpec::output, KeyPath::writable, "a folder")
      .says("where the result goes; it stays in the job as well");
  top.path("from", &JobSpec::from, KeyPath::existing, "a job's folder; at a server also a job's id")
      .says(
          "start from the statistics that this job kept (`calibration.keep_statistics`): another target, "
          "format or structures of the same model, texts, seed and ranks");
  top.integer("seed", &JobSpec::seed, {.lowest = 0, .highest = std::numeric_limits<std::int64_t>::max()})
      .says("decides every random choice")
      .decides({Stage::calibrate, Stage::analyze, Stage::make_plan, Stage::encode, Stage::finetune});
  return top.take();
}

RecipeSection calibration_keys() {
  using Settings = CalibrationSettings;
  KeySection<Settings> section("calibration", "The text that decides what may go.", &JobSpec::calibration,
                               {Stage::calibrate});
  section.texts("text", &Settings::text).says("text as like the model's use as can be had; a job needs one");
  section.integer("length", &Settings::length, {.lowest = 2, .highest = 1 << 20})
      .unit("tokens")
      .says("of a window, of every text of the job")
      .decides(every_stage());
  section.integer("sequences", &Settings::sequences, {.lowest = 1, .highest = 1 << 24})
      .unit("windows")
      .says("that are used, spread over the texts");
  section
      .row(
          "gradient_sequences", form_of(IntegerRange{.lowest = 1, .highest = 1 << 24}),
          [](const JsonReader& value, Settings& settings) {
            settings.gradient_sequences = value.integer({.lowest = 1, .highest = settings.sequences});
          },
          [](const Settings& settings) -> std::optional<OrderedJson> { return settings.gradient_sequences; })
      .unit("windows")
      .says("of these, that also run backward")
      .defaults_to("a quarter of `sequences`", [](JobSpec& spec) {
        spec.calibration.gradient_sequences = std::max<std::int64_t>(1, spec.calibration.sequences / 4);
      });
  section.choice("bos", &Settings::bos, begin_tokens_names())
      .says(
          "whether every window of every text of the job begins with the token that begins a text, which "
          "counts "
          "as one of `length`: `auto` where the model's tokenizer puts it before a text")
      .decides(every_stage());
  section.boolean("keep_statistics", &Settings::keep_statistics)
      .says(
          "keeps the sums in the job's state, so that a job with `from` can start another target behind them")
      .decides({});
  return section.take();
}

RecipeSection target_keys() {
  KeySection<Target> section("target", "How much goes: one of these keys, or `threshold`.", &JobSpec::target,
                             {Stage::make_plan});
  const NumberRange share{.lowest = 0.0, .highest = 0.99, .above_lowest = true};
  const auto read_share = [share](const JsonReader& value) { return value.number(share); };
  const auto print_share = [](double amount) { return OrderedJson(amount); };
  target_row(section, TargetKind::remove_params, form_of(share), read_share, print_share)
      .says("fraction of the blocks' weights to remove");
  target_row(section, TargetKind::remove_flops, form_of(share), read_share, print_share)
      .says("the same of the FLOPs per token at `calibration.length`");
  target_row(
      section, TargetKind::fit_bytes, form_of_bytes(),
      [](const JsonReader& value) { return static_cast<double>(read_bytes(value)); },
      [](double amount) { return OrderedJson(static_cast<std::int64_t>(amount)); })
      .says("size of the result's tensors");
  section.check([](JsonReader& target, JobSpec&) {
    int kinds = 0;
    for (const auto& [name, kind] : target_kind_names()) {
      kinds += kind != TargetKind::threshold && target.has(name) ? 1 : 0;
    }
    if (kinds != 1) {
      target.refuse(ErrorCode::impossible_combination,
                    "exactly one of remove_params, remove_flops, fit_bytes");
    }
  });
  return section.take();
}

RecipeSection threshold_keys() {
  KeySection<Target> section("threshold",
                             "In place of `target`, the paper's rule: a component goes where both of its "
                             "values are below.",
                             &JobSpec::target, {Stage::make_plan});
  const auto row = [&section](const char* name, double Target::*member) {
    return section.row(
        name, form_of(fraction),
        [member](const JsonReader& value, Target& target) { target.*member = value.number(fraction); },
        [member](const Target& target) {
          return target.kind == TargetKind::threshold ? std::optional(OrderedJson(target.*member))
                                                      : std::nullopt;
        });
  };
  row("epsilon", &Target::epsilon)
      .says("of the eigenvalue of the centred covariance, relative to the largest")
      .defaults_to("`" + format_number(Target{}.epsilon) + "`");
  row("tau", &Target::tau)
      .says("of the singular value of the loss-weighted map, relative to the largest")
      .defaults_to("`" + format_number(Target{}.tau) + "`");
  section.check([](JsonReader&, JobSpec& spec) { spec.target.kind = TargetKind::threshold; });
  return section.take();
}

RecipeSection structure_keys() {
  KeySection<JobSpec> top("", "", nullptr, {});
  OrderedJson schema = auto_or(form_of_names(names_of(structure_names()))).schema;
  schema["anyOf"][1] = {{"type", "array"},
                        {"minItems", 1},
                        {"uniqueItems", true},
                        {"items", form_of_names(names_of(structure_names())).schema}};
  top.row(
         "structures",
         {"`auto`, or a list of " + form_of_names(names_of(structure_names())).words, std::move(schema)},
         [](const JsonReader& value, JobSpec& spec) {
           if (is_auto(value)) {
             return;
           }
           spec.structures = read_names(value, structure_names());
           if (spec.structures.empty()) {
             value.refuse(ErrorCode::out_of_range, "auto, or at least one structure");
           }
         },
         [](const JobSpec& spec) -> std::optional<OrderedJson> {
           if (spec.structures.empty()) {
             return "auto";
           }
           OrderedJson list = OrderedJson::array();
           for (const Structure structure : spec.structures) {
             list.push_back(structure_name(structure));
           }
           return list;
         })
      .says("what may shrink or go; `auto` takes those that suit the format")
      .decides({Stage::make_plan});
  return top.take();
}

RecipeSection kind_keys() {
  KeySection<JobSpec> top("", "", nullptr, {});
  const auto nothing = [](const JsonReader&, JobSpec&) {};  // both are read at once, by the check
  OrderedJson list{{"type", "array"}, {"items", form_of_names(names_of(stage_names())).schema}};
  top.row("kind", form_of_names(names_of(job_kind_names())), nothing,
          [](const JobSpec& spec) -> std::optional<OrderedJson> { return kind_of(spec).name; })
      .says("what the job is for: the command that made it")
      .filled_by_run();
  top.row("stages", {"a list of stages", std::move(list)}, nothing,
          [](const JobSpec& spec) -> std::optional<OrderedJson> { return stage_names_of(spec); })
      .says("what the job does, in order; follows from `kind`")
      .filled_by_run();
  top.check([](JsonReader& recipe, JobSpec& spec) {
    const std::optional<JsonReader> kind = recipe.optional("kind");
    const std::optional<JsonReader> listed = recipe.optional("stages");
    const std::vector<Stage> stages = listed ? read_names(*listed, stage_names()) : std::vector<Stage>();
    if (kind) {
      spec.kind = kind->choice(job_kind_names());
    } else if (listed) {
      spec.kind = kind_that_does(stages).value_or(spec.kind);
    }
    if (listed && stages != stages_of(spec)) {
      listed->refuse(
          ErrorCode::impossible_combination,
          "what a job of kind " + kind_of(spec).name + " does: " + join_names(stage_names_of(spec)),
          "Leave the key out: it follows from kind");
    }
  });
  return top.take();
}

}  // namespace cce
