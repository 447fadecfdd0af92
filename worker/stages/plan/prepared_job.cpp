#include "worker/stages/plan/prepared_job.h"

#include <utility>

#include "common/base/digest.h"
#include "common/base/version.h"
#include "common/model/formats/format.h"
#include "worker/passes/layer_store.h"
#include "worker/stages/plan/make_plan.h"

namespace cce {
namespace {

constexpr const char* state_name = "make_plan";

}  // namespace

std::string encode_fingerprint(const StageContext& context) {
  JobSpec spec = context.spec;
  spec.model.clear();
  spec.output.clear();
  spec.export_settings = {};
  spec.export_settings.round_to = context.spec.export_settings.round_to;
  spec.finetune = {};
  spec.evaluate = {};
  spec.guard = {};
  spec.resources = {};
  spec.stages.clear();
  Partition partition = context.partition;
  partition.forecast.clear();
  Digest digest;
  digest.add_field(code_version);
  digest.add_field(to_json(spec));
  digest.add_field(to_json(partition));
  digest.add_field(name(context.compute_dtype));
  return digest.finish_hex();
}

void save_prepared_job(StageContext& context, const PreparedJob& job, const std::string& fingerprint) {
  const std::int64_t hidden = context.dense().hidden_size;
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    const auto& mine = job.layers[static_cast<std::size_t>(layer)];
    if (mine) {
      const std::string layer_name = layer_state_name(state_name, layer);
      const auto folder = context.job.begin_state(layer_name);
      write_layer(context.files, folder / "layer.f32", mine->layer, hidden);
      write_matrix(context.files, folder / "attention_gradient.f32", mine->attention_gradient);
      write_matrix(context.files, folder / "ffn_gradient.f32", mine->ffn_gradient);
      context.job.publish_state(layer_name, fingerprint);
    }
  }
  context.communicator.barrier();
  if (context.rank() == 0) {
    const auto folder = context.job.begin_state(state_name);
    context.files.write_atomic(folder / "plan.json", to_json(job.plan));
    context.files.write_atomic(folder / "analysis.json", to_json(job.analysis));
    context.files.write_atomic(folder / "format.txt", format_name(context.spec.export_settings.format));
    context.job.publish_state(state_name, fingerprint);
  }
  context.communicator.barrier();
}

std::optional<PreparedJob> load_prepared_job(const StageContext& context, const std::string& fingerprint,
                                             bool with_layers) {
  const auto folder = context.job.find_state(state_name, fingerprint);
  if (!folder) {
    return std::nullopt;
  }
  PreparedJob job;
  const auto read = [&](const char* file) { return context.files.read_text(*folder / file); };
  job.plan = parse_compression_plan(read("plan.json"), (*folder / "plan.json").string());
  job.analysis = parse_model_analysis(read("analysis.json"), (*folder / "analysis.json").string());
  job.compressed = with_refit_biases(apply_plan(context.dense(), job.plan),
                                     format_named(read("format.txt"), (*folder / "format.txt").string()));
  job.layers.resize(static_cast<std::size_t>(context.layers()));
  const std::int64_t hidden = context.dense().hidden_size;
  for (std::int64_t layer = 0; with_layers && layer < context.layers(); ++layer) {
    if (!context.owns(layer)) {
      continue;
    }
    const auto index = static_cast<std::size_t>(layer);
    const auto layer_folder = context.job.find_state(layer_state_name(state_name, layer), fingerprint);
    if (!layer_folder) {
      return std::nullopt;
    }
    const LayerShape& dense = context.dense().layers[index];
    StartingLayer start;
    start.layer =
        read_layer(context.files, *layer_folder / "layer.f32", job.compressed.layers[index], hidden);
    const auto gradient = [&](const char* file, bool there) {
      return read_matrix(context.files, *layer_folder / file, there ? hidden : 0, there ? hidden : 0);
    };
    start.attention_gradient = gradient("attention_gradient.f32", dense.has_attention);
    start.ffn_gradient = gradient("ffn_gradient.f32", dense.has_ffn);
    job.layers[index] = std::move(start);
  }
  return job;
}

}  // namespace cce
