#include "worker/run/pipeline.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include "common/model/own_head.h"
#include "worker/passes/checkpoint_layers.h"
#include "worker/passes/encoded_layers.h"
#include "worker/passes/layer_store.h"
#include "worker/stages/calibrate/calibrate.h"
#include "worker/stages/encode/encode.h"
#include "worker/stages/evaluate/evaluate.h"
#include "worker/stages/finetune/checkpoint.h"
#include "worker/stages/finetune/finetune.h"
#include "worker/stages/plan/make_plan.h"
#include "worker/stages/plan/prepare_layers.h"
#include "worker/stages/plan/prepared_job.h"
#include "worker/stages/result/export_result.h"
#include "worker/stages/result/report.h"

namespace cce {
namespace {

bool includes(const JobSpec& spec, Stage stage) {
  return std::find(spec.stages.begin(), spec.stages.end(), stage) != spec.stages.end();
}

/// calibrate, analyze and, where asked for, make_plan.
PreparedJob prepare(StageContext& context, const CalibrationData& data, const std::string& fingerprint) {
  PreparedJob job;
  const auto statistics = calibrate(context, data);
  job.analysis = analyze(context, statistics, data);
  if (includes(context.spec, Stage::make_plan)) {
    context.reporter.stage_started(Stage::make_plan);
    job.plan = make_plan(context.spec, context.dense(), job.analysis);
    job.compressed =
        with_refit_biases(apply_plan(context.dense(), job.plan), context.spec.export_settings.format);
    job.layers = prepare_layers(context, statistics, data.gradient_tokens(), job.plan, job.compressed);
    save_prepared_job(context, job, fingerprint);
    context.reporter.stage_finished(0.0);
  }
  return job;
}

/// True where it holds on every rank.
bool agree(StageContext& context, bool holds) {
  std::array<double, 1> missing{holds ? 0.0 : 1.0};
  context.communicator.all_reduce_sum(std::span<double>(missing));
  return missing[0] == 0.0;
}

[[noreturn]] void refuse_export_without_encode(const StageContext& context) {
  throw Error{.code = ErrorCode::missing_file,
              .where = context.job.state_root().string(),
              .found = "no encoded layers of this model and recipe",
              .expected = "the state of a finished compression",
              .remedy = "Finish it first: cce resume JOB"};
}

Evaluation evaluate_models(StageContext& context, const RunResults& results, EncodedLayers* encoded) {
  const EndWeights ends = context.checkpoint.end_weights(context.backend, context.compute_dtype);
  CheckpointLayers dense_layers(context.checkpoint, context.compute_dtype);
  const EvaluatedModel dense{context.dense(), dense_layers, ends};
  if (encoded == nullptr) {
    return evaluate(context, dense, nullptr);
  }
  EndWeights scaled = context.checkpoint.end_weights(context.backend, context.compute_dtype);
  const HostMatrix gain = encoded->final_norm();
  context.backend.upload(gain.view(), scaled.final_norm.view());
  const EvaluatedModel compressed{*results.compressed, *encoded, scaled};
  return evaluate(context, dense, &compressed);
}

void publish(StageContext& context, const RunResults& results, const std::filesystem::path& folder) {
  if (context.rank() == 0) {
    if (results.plan) {
      context.files.write_atomic(folder / "plan.json", to_json(*results.plan));
    }
    context.files.write_atomic(
        folder / "report.json",
        report_json(context, results, read_events(context.files, context.job.events_path())));
    context.job.publish_result();
  }
  context.communicator.barrier();
}

/// Everything up to the encoded layers, or the state that an earlier attempt left of it.
void compress(StageContext& context, const std::string& fingerprint, RunResults& results) {
  const bool encodes = includes(context.spec, Stage::encode);
  const CalibrationData data = load_calibration_data(context);
  std::optional<PreparedJob> job =
      encodes ? load_prepared_job(context, fingerprint, true) : std::optional<PreparedJob>();
  if (!agree(context, job.has_value())) {
    job = prepare(context, data, fingerprint);
  }
  results.analysis = std::move(job->analysis);
  if (!includes(context.spec, Stage::make_plan)) {
    return;
  }
  results.compressed = std::move(job->compressed);
  if (encodes) {
    encode(context, {data, *results.compressed, job->layers, fingerprint}, job->plan);
  }
  results.plan = std::move(job->plan);
}

/// The job's model as it is: what fine-tuning starts from where nothing was encoded.
FinetuneInput from_checkpoint(const StageContext& context, const Checkpoint& teacher) {
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
void train(StageContext& context, const std::string& fingerprint, RunResults& results,
           std::optional<EncodedLayers>& layers) {
  std::optional<Checkpoint> other;
  if (!context.spec.finetune.teacher.empty()) {
    other.emplace(Checkpoint::open(context.files, context.spec.finetune.teacher));
    if (other->has_own_head() && context.rank() == 0) {
      context.reporter.warning(own_head_warning("teacher"));
    }
  }
  const Checkpoint& teacher = other ? *other : context.checkpoint;
  if (!layers) {
    results.compressed = context.dense();
  }
  const FinetuneInput input =
      layers ? FinetuneInput{*results.compressed, [&](std::int64_t layer) { return layers->load(layer); },
                             layers->final_norm(), teacher, finetune_fingerprint(context, fingerprint)}
             : from_checkpoint(context, teacher);
  results.finetuning = finetune(context, input);
  layers.emplace(context, *results.compressed, input.fingerprint, Stage::finetune);
}

/// The last layers that a finished job left: trained ones where it trained; where training was asked for and
/// did not end, the encoded ones, with a warning. Errors: missing_file.
void find_finished(StageContext& context, const std::string& fingerprint, RunResults& results,
                   std::optional<EncodedLayers>& layers) {
  std::optional<PreparedJob> job = load_prepared_job(context, fingerprint, false);
  const std::string trained = finetune_fingerprint(context, job ? fingerprint : "");
  const bool was_trained = context.job.find_state(finetune_done_state, trained).has_value();
  if (!job && !was_trained) {
    refuse_export_without_encode(context);
  }
  if (!was_trained && context.spec.finetune.asked_for() && context.rank() == 0) {
    context.reporter.warning(
        "the job's fine-tuning has not ended: this export holds the encoded layers as they were before "
        "training (cce resume of the job goes on with it)");
  }
  results.compressed = context.dense();
  if (job) {
    results.analysis = std::move(job->analysis);
    results.plan = std::move(job->plan);
    results.compressed = std::move(job->compressed);
  }
  layers.emplace(context, *results.compressed, was_trained ? trained : fingerprint,
                 was_trained ? Stage::finetune : Stage::encode);
}

}  // namespace

void run_pipeline(StageContext& context) {
  const std::string fingerprint = encode_fingerprint(context);
  RunResults results;
  std::optional<EncodedLayers> layers;
  if (includes(context.spec, Stage::calibrate)) {
    compress(context, fingerprint, results);
  } else if (context.spec.stages == std::vector{Stage::export_result}) {
    find_finished(context, fingerprint, results, layers);
  }
  if (includes(context.spec, Stage::encode)) {
    layers.emplace(context, *results.compressed, fingerprint);
  }
  if (includes(context.spec, Stage::finetune)) {
    train(context, fingerprint, results, layers);
  }
  if (includes(context.spec, Stage::evaluate)) {
    results.evaluation = evaluate_models(context, results, layers ? &*layers : nullptr);
  }
  const std::filesystem::path folder =
      context.rank() == 0 ? context.job.begin_result() : std::filesystem::path();
  if (includes(context.spec, Stage::export_result)) {
    results.exported_bytes = export_result(context, *results.compressed, *layers, folder);
  }
  publish(context, results, folder);
}

}  // namespace cce
