#include "worker/stages/analyze/analyze_state.h"

#include <utility>

#include "worker/passes/layer_store.h"
#include "worker/passes/stage_state.h"
#include "worker/tensor/host_access.h"

namespace cce {
namespace {

constexpr const char* state_name = "analyze";
constexpr const char* analysis_file = "analysis.json";
constexpr const char* spectra_file = "value_spectra.f64";

}  // namespace

void save_analysis(StageContext& context, const ModelAnalysis& analysis, const StageInputs& inputs) {
  publish_stage(context, state_name, inputs, [&](const std::filesystem::path& folder) {
    context.files.write_atomic(folder / analysis_file, to_json(analysis));
  });
}

bool has_analysis(const StageContext& context, const StageInputs& inputs) {
  return has_stage(context, state_name, inputs);
}

ModelAnalysis load_analysis(const StageContext& context, const StageInputs& inputs) {
  const auto path = state_folder(context, state_name, inputs) / analysis_file;
  return parse_model_analysis(context.files.read_text(path), path.string());
}

void save_value_spectra(StageContext& context, std::int64_t layer, const std::vector<HeadSpectrum>& spectra,
                        const StageInputs& inputs) {
  std::vector<OnBackend> sigmas;
  std::vector<ConstMatrix> blocks;
  sigmas.reserve(spectra.size());
  for (const HeadSpectrum& spectrum : spectra) {
    const auto width = static_cast<std::int64_t>(spectrum.squared_sigma.size());
    const ConstMatrix host{spectrum.squared_sigma.data(), DType::f64, 1, width, width};
    blocks.insert(blocks.end(), {spectrum.lower.view(), spectrum.directions.view(),
                                 sigmas.emplace_back(context.backend, host).view()});
  }
  const std::string name = layer_state_name(state_name, layer);
  const auto folder = context.job.begin_state(name);
  write_numbers(context.files, context.backend, folder / spectra_file, blocks);
  context.job.publish_state(name, inputs.fingerprint());
}

std::vector<HeadSpectrum> load_value_spectra(const StageContext& context, std::int64_t layer,
                                             const StageInputs& inputs) {
  const LayerShape& shape = context.dense().layers[static_cast<std::size_t>(layer)];
  const auto groups = static_cast<std::size_t>(shape.has_attention ? shape.kv_groups : 0);
  std::vector<HeadSpectrum> spectra(groups);
  std::vector<OwnedMatrix> sigmas(groups);
  std::vector<Matrix> blocks;
  for (std::size_t group = 0; group < groups; ++group) {
    HeadSpectrum& spectrum = spectra[group];
    spectrum.lower = context.backend.matrix(DType::f64, shape.vo_dim, shape.vo_dim);
    spectrum.directions = context.backend.matrix(DType::f64, shape.vo_dim, shape.vo_dim);
    sigmas[group] = context.backend.matrix(DType::f64, 1, shape.vo_dim);
    blocks.insert(blocks.end(), {spectrum.lower.view(), spectrum.directions.view(), sigmas[group].view()});
  }
  const auto folder = state_folder(context, layer_state_name(state_name, layer), inputs);
  read_numbers(context.files, context.backend, folder / spectra_file, blocks);
  for (std::size_t group = 0; group < groups; ++group) {
    spectra[group].squared_sigma = host_values(context.backend, std::as_const(sigmas[group]).view());
  }
  return spectra;
}

}  // namespace cce
