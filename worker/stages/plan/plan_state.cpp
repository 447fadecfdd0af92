#include "worker/stages/plan/plan_state.h"

#include <utility>

#include "common/model/formats/format.h"
#include "worker/passes/layer_store.h"
#include "worker/passes/stage_state.h"
#include "worker/stages/plan/make_plan.h"

namespace cce {
namespace {

constexpr const char* state_name = "make_plan";

}  // namespace

void save_plan(StageContext& context, const PlannedModel& planned, const StageInputs& inputs) {
  const std::int64_t hidden = context.dense().hidden_size;
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    const auto& mine = planned.layers[static_cast<std::size_t>(layer)];
    if (mine) {
      const std::string layer_name = layer_state_name(state_name, layer);
      const auto folder = context.job.begin_state(layer_name);
      write_layer(context.files, folder / "layer.f32", mine->layer, hidden);
      write_matrix(context.files, folder / "attention_gradient.f32", mine->attention_gradient);
      write_matrix(context.files, folder / "ffn_gradient.f32", mine->ffn_gradient);
      context.job.publish_state(layer_name, inputs.fingerprint());
    }
  }
  publish_stage(context, state_name, inputs, [&](const std::filesystem::path& folder) {
    context.files.write_atomic(folder / "plan.json", to_json(planned.plan));
    context.files.write_atomic(folder / "format.txt", format_name(context.spec.export_settings.format));
  });
}

bool has_plan(const StageContext& context, const StageInputs& inputs) {
  return has_stage(context, state_name, inputs);
}

PlannedModel load_plan(const StageContext& context, const StageInputs& inputs, bool with_layers) {
  const auto folder = state_folder(context, state_name, inputs);
  PlannedModel planned;
  const auto read = [&](const char* file) { return context.files.read_text(folder / file); };
  planned.plan = parse_compression_plan(read("plan.json"), (folder / "plan.json").string());
  planned.compressed = with_refit_biases(apply_plan(context.dense(), planned.plan),
                                         format_named(read("format.txt"), (folder / "format.txt").string()));
  planned.layers.resize(static_cast<std::size_t>(context.layers()));
  const std::int64_t hidden = context.dense().hidden_size;
  for (std::int64_t layer = 0; with_layers && layer < context.layers(); ++layer) {
    if (!context.owns(layer)) {
      continue;
    }
    const auto index = static_cast<std::size_t>(layer);
    const auto layer_folder = state_folder(context, layer_state_name(state_name, layer), inputs);
    const LayerShape& dense = context.dense().layers[index];
    StartingLayer start;
    start.layer =
        read_layer(context.files, layer_folder / "layer.f32", planned.compressed.layers[index], hidden);
    const auto gradient = [&](const char* file, bool there) {
      return read_matrix(context.files, layer_folder / file, there ? hidden : 0, there ? hidden : 0);
    };
    start.attention_gradient = gradient("attention_gradient.f32", dense.has_attention);
    start.ffn_gradient = gradient("ffn_gradient.f32", dense.has_ffn);
    planned.layers[index] = std::move(start);
  }
  return planned;
}

}  // namespace cce
