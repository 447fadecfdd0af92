#include "worker/run/pipeline.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/base/nearest_name.h"
#include "common/model/own_head.h"
#include "worker/passes/checkpoint_layers.h"
#include "worker/passes/encoded_layers.h"
#include "worker/passes/layer_store.h"
#include "worker/passes/stage_state.h"
#include "worker/run/stage_order.h"
#include "worker/stages/analyze/analyze_state.h"
#include "worker/stages/calibrate/calibrate.h"
#include "worker/stages/calibrate/calibrate_state.h"
#include "worker/stages/calibrate/prepare_texts.h"
#include "worker/stages/encode/encode.h"
#include "worker/stages/encode/encode_state.h"
#include "worker/stages/evaluate/evaluate.h"
#include "worker/stages/finetune/checkpoint.h"
#include "worker/stages/finetune/finetune.h"
#include "worker/stages/plan/make_plan.h"
#include "worker/stages/plan/plan_state.h"
#include "worker/stages/plan/prepare_layers.h"
#include "worker/stages/result/export_result.h"
#include "worker/stages/result/report.h"

namespace cce {
namespace {

/// One run of a job on one rank: what its stages hand on, and how each is found, loaded and run.
class Pipeline {
 public:
  explicit Pipeline(StageContext& context) : context_(context) {}

  void run();

 private:
  struct StageRow {
    Stage stage;
    std::vector<Stage> needs;
    bool is_result;
    bool (Pipeline::*has_state)() const;  ///< collective; null where a stage keeps no state of its own
    void (Pipeline::*load)();
    void (Pipeline::*run)();
  };
  static const std::vector<StageRow>& stage_list();
  void run_stages();
  void find_finished();
  void publish();

  bool has_statistics() const { return cce::has_statistics(context_, calibrate_inputs_); }
  void load_statistics() { statistics_ = cce::load_statistics(context_, calibrate_inputs_); }
  void run_calibrate();
  bool has_analysis() const { return cce::has_analysis(context_, analyze_inputs_); }
  void load_analysis() { results_.analysis = cce::load_analysis(context_, analyze_inputs_); }
  void run_analyze();
  bool has_plan() const { return cce::has_plan(context_, plan_inputs_); }
  void load_plan() { take_plan(cce::load_plan(context_, plan_inputs_, encode_runs_)); }
  void run_make_plan();
  bool has_encoded() const { return cce::has_encoded(context_, encode_inputs_); }
  void load_encoded();
  void run_encode();
  void run_finetune();
  void run_evaluate();
  void run_export();

  void find_inputs();
  void explain(const StageRow& row) const;
  void refuse_new_statistics() const;
  void take_plan(PlannedModel planned);
  FinetuneInput from_checkpoint(const Checkpoint& teacher) const;
  std::string encode_fingerprint() const { return encode_inputs_.fingerprint(); }

  StageContext& context_;
  StageInputs calibrate_inputs_, analyze_inputs_, plan_inputs_, encode_inputs_;
  bool encode_runs_ = false;
  CalibrationData data_;
  std::vector<std::optional<LayerStatistics>> statistics_;
  std::vector<std::optional<StartingLayer>> starting_layers_;
  std::optional<EncodedLayers> layers_;  ///< the result's
  std::filesystem::path result_folder_;  ///< rank 0's, while export and publish fill it
  RunResults results_;
};

/// The stages in their order: what each works from, whether the job wants its product for itself, and its
/// state.
const std::vector<Pipeline::StageRow>& Pipeline::stage_list() {
  using S = Stage;
  using P = Pipeline;
  static const std::vector<StageRow> rows = {
      {S::calibrate, {}, false, &P::has_statistics, &P::load_statistics, &P::run_calibrate},
      {S::analyze, {S::calibrate}, true, &P::has_analysis, &P::load_analysis, &P::run_analyze},
      {S::make_plan, {S::calibrate, S::analyze}, true, &P::has_plan, &P::load_plan, &P::run_make_plan},
      {S::encode, {S::make_plan}, true, &P::has_encoded, &P::load_encoded, &P::run_encode},
      {S::finetune, {S::encode}, true, nullptr, nullptr, &P::run_finetune},
      {S::evaluate, {S::encode, S::finetune}, true, nullptr, nullptr, &P::run_evaluate},
      {S::export_result, {S::encode, S::finetune}, true, nullptr, nullptr, &P::run_export}};
  return rows;
}

void Pipeline::run() {
  if (context_.spec.kind == JobKind::export_result) {
    find_finished();
  } else {
    prepare_texts(context_);
    if (runs(context_.spec, Stage::calibrate)) {
      data_ = load_calibration_data(context_);
      find_inputs();
    }
  }
  run_stages();
  publish();
  if (context_.rank() == 0) context_.texts.remove();
}

void Pipeline::find_inputs() {
  calibrate_inputs_ = calibrate_inputs(context_, data_);
  analyze_inputs_ = following_inputs(context_, Stage::analyze, Stage::calibrate, calibrate_inputs_);
  plan_inputs_ = following_inputs(context_, Stage::make_plan, Stage::analyze, analyze_inputs_);
  encode_inputs_ = following_inputs(context_, Stage::encode, Stage::make_plan, plan_inputs_);
}

void Pipeline::run_stages() {
  std::vector<const StageRow*> rows;
  std::vector<StageEntry> entries;
  for (const StageRow& row : stage_list()) {
    if (runs(context_.spec, row.stage)) {
      rows.push_back(&row);
      entries.push_back({.stage = row.stage,
                         .needs = row.needs,
                         .is_result = row.is_result,
                         .has_state = row.has_state != nullptr && (this->*row.has_state)()});
    }
  }
  const std::vector<StageAction> actions = choose_actions(entries);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    encode_runs_ = encode_runs_ || (rows[i]->stage == Stage::encode && actions[i] == StageAction::run);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (actions[i] == StageAction::load) {
      (this->*rows[i]->load)();
    } else if (actions[i] == StageAction::run) {
      explain(*rows[i]);
      (this->*rows[i]->run)();
    }
  }
}

/// Says why the state that is there does not serve.
void Pipeline::explain(const StageRow& row) const {
  if (row.stage == Stage::calibrate && !context_.spec.from.empty()) {
    refuse_new_statistics();
  }
  const StageInputs* inputs = row.stage == Stage::calibrate   ? &calibrate_inputs_
                              : row.stage == Stage::analyze   ? &analyze_inputs_
                              : row.stage == Stage::make_plan ? &plan_inputs_
                              : row.stage == Stage::encode    ? &encode_inputs_
                                                              : nullptr;
  const std::string name(stage_name(row.stage));
  const auto recorded = inputs != nullptr ? context_.job.inputs_of_state(name) : std::nullopt;
  const auto names = recorded ? recorded->differences(*inputs) : std::vector<std::string>();
  if (!names.empty() && context_.rank() == 0) {
    context_.reporter.warning("state/" + name + " was made from other inputs (" + join_names(names) +
                              "): it is computed again");
  }
}

/// A job that was to start from another's statistics never computes its own instead.
void Pipeline::refuse_new_statistics() const {
  const auto recorded = context_.job.inputs_of_state(std::string(stage_name(Stage::calibrate)));
  const auto names = recorded ? recorded->differences(calibrate_inputs_) : std::vector<std::string>();
  throw Error{
      .code = ErrorCode::impossible_combination,
      .where = "from " + context_.spec.from,
      .found = names.empty() ? std::string("no whole statistics") : "other " + join_names(names),
      .expected = "statistics of the same model, texts, seed, partition and program",
      .remedy = "Leave --from (`from` in a recipe) out, or take over what that job's recipe has for them"};
}

void Pipeline::run_calibrate() {
  statistics_ = calibrate(context_, data_);
  if (context_.spec.calibration.keep_statistics) {
    save_statistics(context_, statistics_, calibrate_inputs_);
  }
}

void Pipeline::run_analyze() {
  results_.analysis = analyze(context_, statistics_, data_,
                              [this](std::int64_t layer, const std::vector<HeadSpectrum>& spectra) {
                                save_value_spectra(context_, layer, spectra, analyze_inputs_);
                              });
  save_analysis(context_, *results_.analysis, analyze_inputs_);
}

void Pipeline::run_make_plan() {
  context_.reporter.stage_started(Stage::make_plan);
  PlannedModel planned;
  planned.plan = make_plan(context_.spec, context_.dense(), *results_.analysis);
  planned.compressed =
      with_refit_biases(apply_plan(context_.dense(), planned.plan), context_.spec.export_settings.format);
  const auto spectra_of = [this](std::int64_t layer) {
    return load_value_spectra(context_, layer, analyze_inputs_);
  };
  planned.layers = prepare_layers(context_, statistics_, data_.gradient_tokens(), spectra_of, planned.plan,
                                  planned.compressed);
  save_plan(context_, planned, plan_inputs_);
  context_.reporter.stage_finished(0.0);
  take_plan(std::move(planned));
}

void Pipeline::take_plan(PlannedModel planned) {
  statistics_.clear();
  results_.plan = std::move(planned.plan);
  results_.compressed = std::move(planned.compressed);
  starting_layers_ = std::move(planned.layers);
}

void Pipeline::load_encoded() {
  results_.plan = load_encoded_plan(context_, encode_inputs_);
  layers_.emplace(context_, *results_.compressed, encode_fingerprint());
}

void Pipeline::run_encode() {
  encode(context_, {data_, *results_.compressed, starting_layers_, encode_fingerprint()}, *results_.plan);
  save_encoded(context_, *results_.plan, encode_inputs_);
  starting_layers_.clear();
  layers_.emplace(context_, *results_.compressed, encode_fingerprint());
}

/// The job's model as it is: what fine-tuning starts from where nothing was encoded.
FinetuneInput Pipeline::from_checkpoint(const Checkpoint& teacher) const {
  const StageContext& context = context_;
  const auto layer = [&context](std::int64_t index) {
    const LayerShape& shape = context.dense().layers[static_cast<std::size_t>(index)];
    const std::int64_t hidden = context.dense().hidden_size;
    std::vector<std::byte> block(packed_layer_bytes(shape, hidden, DType::f32));
    context.checkpoint.pack_layer(index, DType::f32, block);
    return to_host_layer(view_packed_layer(shape, hidden, DType::f32, block));
  };
  HostMatrix gain(1, context.dense().hidden_size);
  context.checkpoint.read(TensorRole::final_norm, -1, DType::f32,
                          std::as_writable_bytes(std::span(gain.values)));
  return {context.dense(), layer, std::move(gain), teacher, finetune_fingerprint(context, "")};
}

/// Trains what encode left, or the job's model itself, and makes it the run's result.
void Pipeline::run_finetune() {
  std::optional<Checkpoint> other;
  if (!context_.spec.finetune.teacher.empty()) {
    other.emplace(Checkpoint::open(context_.files, context_.spec.finetune.teacher));
    if (other->has_own_head() && context_.rank() == 0) {
      context_.reporter.warning(own_head_warning("teacher"));
    }
  }
  const Checkpoint& teacher = other ? *other : context_.checkpoint;
  if (!layers_) {
    results_.compressed = context_.dense();
  }
  const FinetuneInput input =
      layers_
          ? FinetuneInput{*results_.compressed, [this](std::int64_t layer) { return layers_->load(layer); },
                          layers_->final_norm(), teacher,
                          finetune_fingerprint(context_, encode_fingerprint())}
          : from_checkpoint(teacher);
  results_.finetuning = finetune(context_, input);
  layers_.emplace(context_, *results_.compressed, input.fingerprint, Stage::finetune);
}

void Pipeline::run_evaluate() {
  const EndWeights ends = context_.checkpoint.end_weights(context_.backend, context_.compute_dtype);
  CheckpointLayers dense_layers(context_.checkpoint, context_.compute_dtype);
  const EvaluatedModel dense{context_.dense(), dense_layers, ends};
  if (!layers_) {
    results_.evaluation = evaluate(context_, dense, nullptr);
    return;
  }
  EndWeights scaled = context_.checkpoint.end_weights(context_.backend, context_.compute_dtype);
  const HostMatrix gain = layers_->final_norm();
  context_.backend.upload(gain.view(), scaled.final_norm.view());
  const EvaluatedModel compressed{*results_.compressed, *layers_, scaled};
  results_.evaluation = evaluate(context_, dense, &compressed);
}

void Pipeline::run_export() {
  if (context_.rank() == 0) {
    result_folder_ = context_.job.begin_result();
  }
  results_.exported_bytes = export_result(context_, *results_.compressed, *layers_, result_folder_);
}

/// The last layers that a finished job left: trained ones where it trained; where training was asked for and
/// did not end, the encoded ones, with a warning. What they were made from is what that job recorded: its
/// texts need not be here. Errors: missing_file; digest_mismatch for layers of another program.
void Pipeline::find_finished() {
  const auto recorded = [this](Stage stage) {
    return context_.job.inputs_of_state(std::string(stage_name(stage)));
  };
  const std::optional<StageInputs> encoded = recorded(Stage::encode);
  const std::optional<StageInputs> planned = recorded(Stage::make_plan);
  const bool was_encoded = encoded && planned;
  StageInputs program;
  program.set("build", context_.build);
  if (was_encoded && !encoded->differences(program).empty()) {
    throw Error{.code = ErrorCode::digest_mismatch,
                .where = (context_.job.state_root() / "encode").string(),
                .found = "layers that another build of cce-worker made",
                .expected = "layers of this build, whose form it knows",
                .remedy = "Resume the job that was compressed: this build then makes them again"};
  }
  const std::string trained = finetune_fingerprint(context_, was_encoded ? encoded->fingerprint() : "");
  const bool was_trained = context_.job.find_state(finetune_done_state, trained).has_value();
  if (!was_encoded && !was_trained) {
    throw Error{.code = ErrorCode::missing_file,
                .where = context_.job.state_root().string(),
                .found = "no encoded layers of this model and recipe",
                .expected = "the state of a finished compression",
                .remedy = "Finish it first: cce resume JOB"};
  }
  if (!was_trained && context_.spec.finetune.asked_for() && context_.rank() == 0) {
    context_.reporter.warning(
        "the job's fine-tuning has not ended: this export holds the encoded layers as they were before "
        "training (cce resume of the job goes on with it)");
  }
  results_.compressed = context_.dense();
  if (was_encoded) {
    encode_inputs_ = *encoded;
    take_plan(cce::load_plan(context_, *planned, false));
    load_encoded();
    if (const std::optional<StageInputs> analyzed = recorded(Stage::analyze)) {
      results_.analysis = cce::load_analysis(context_, *analyzed);
    }
  }
  if (was_trained) {
    layers_.emplace(context_, *results_.compressed, trained, Stage::finetune);
  }
}

void Pipeline::publish() {
  if (context_.rank() == 0) {
    if (result_folder_.empty()) {
      result_folder_ = context_.job.begin_result();
    }
    if (results_.plan) {
      context_.files.write_atomic(result_folder_ / "plan.json", to_json(*results_.plan));
    }
    context_.files.write_atomic(
        result_folder_ / "report.json",
        report_json(context_, results_, read_events(context_.files, context_.job.events_path())));
    context_.job.publish_result();
  }
  context_.communicator.barrier();
}

}  // namespace

void run_pipeline(StageContext& context) {
  Pipeline(context).run();
}

}  // namespace cce
