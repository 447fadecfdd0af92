#include "worker/stages/result/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/version.h"
#include "common/cost/sizes.h"
#include "common/job/numerics_record.h"
#include "common/model/format_rules.h"
#include "worker/model/companion_files.h"
#include "worker/model/formats/format_writer.h"

namespace cce {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// {"before": x} or {"before": x, "after": y}.
template <typename Value>
OrderedJson pair_of(const Value& before, const std::optional<Value>& after) {
  OrderedJson pair{{"before", before}};
  if (after) {
    pair["after"] = *after;
  }
  return pair;
}

void add_sizes(const StageContext& context, const RunResults& results, OrderedJson& report) {
  const ModelConfig& dense = context.dense();
  std::optional<std::int64_t> blocks, total, bytes;
  std::optional<double> flops;
  const std::int64_t length = context.spec.calibration.length;
  if (results.compressed) {
    blocks = block_parameters(*results.compressed);
    total = total_parameters(*results.compressed);
    flops = flops_per_token(*results.compressed, length);
  }
  if (results.exported_bytes > 0) {
    bytes = results.exported_bytes;
  }
  report["params"] = {{"blocks", pair_of(block_parameters(dense), blocks)},
                      {"total", pair_of(total_parameters(dense), total)}};
  report["bytes"] = pair_of(context.checkpoint.tensor_bytes(), bytes);
  report["flops_per_token"] = pair_of(flops_per_token(dense, length), flops);
}

/// The fraction (or bytes) that the target asked for and what the plan reaches, in the target's own unit.
OrderedJson target_of(const StageContext& context, const ModelConfig& compressed) {
  const Target& target = context.spec.target;
  const ModelConfig& dense = context.dense();
  const std::int64_t length = context.spec.calibration.length;
  switch (target.kind) {
    case TargetKind::remove_flops:
      return {{"kind", "remove_flops"},
              {"requested", target.amount},
              {"achieved", 1.0 - flops_per_token(compressed, length) / flops_per_token(dense, length)}};
    case TargetKind::fit_bytes:
      return {{"kind", "fit_bytes"},
              {"requested", target.amount},
              {"achieved",
               total_parameters(compressed) * cost::export_value_bytes(context.spec.export_settings.dtype)}};
    case TargetKind::remove_params:
    case TargetKind::threshold:
      break;
  }
  const double removed =
      1.0 - static_cast<double>(block_parameters(compressed)) / static_cast<double>(block_parameters(dense));
  if (target.kind == TargetKind::threshold) {
    return {{"kind", "threshold"},
            {"requested", {{"epsilon", target.epsilon}, {"tau", target.tau}}},
            {"achieved", removed}};
  }
  return {{"kind", "remove_params"}, {"requested", target.amount}, {"achieved", removed}};
}

OrderedJson plan_of(const CompressionPlan& plan, const ModelConfig& compressed) {
  OrderedJson layers = OrderedJson::array();
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const LayerPlan& layer = plan.layers[i];
    const LayerShape& shape = compressed.layers[i];
    layers.push_back({{"ffn", shape.ffn_width},
                      {"vo", shape.vo_dim},
                      {"qk", shape.qk_dim},
                      {"kv_groups", shape.kv_groups},
                      {"predicted_nats", layer.predicted_ffn_nats + layer.predicted_attention_nats},
                      {"measured_nats", std::max(layer.measured_ffn_nats, layer.measured_attention_nats)}});
  }
  return {{"layers", layers}, {"price", plan.price}};
}

OrderedJson similarity_of(const KindSimilarity& kind) {
  const std::size_t layers = kind.cost_factor.size();
  OrderedJson matrix = OrderedJson::array();
  for (std::size_t row = 0; row < layers; ++row) {
    const auto first = kind.matrix.begin() + static_cast<std::ptrdiff_t>(row * layers);
    matrix.push_back(std::vector<double>(first, first + static_cast<std::ptrdiff_t>(layers)));
  }
  return {{"matrix", matrix}, {"clusters", kind.clusters}};
}

std::vector<double> reported(const SubBlockSpectra& spectra) {
  std::vector<double> leading = spectra.eigenvalues;
  leading.resize(std::min(leading.size(), reported_eigenvalues));
  return leading;
}

OrderedJson spectra_of(const ModelAnalysis& analysis) {
  OrderedJson spectra = OrderedJson::object();
  for (std::size_t layer = 0; layer < analysis.layers.size(); ++layer) {
    spectra[std::to_string(layer)] = {{"ffn", reported(analysis.layers[layer].ffn_spectra)},
                                      {"attention", reported(analysis.layers[layer].attention_spectra)}};
  }
  return spectra;
}

void add_evaluation(const Evaluation& evaluation, OrderedJson& report) {
  OrderedJson perplexity = OrderedJson::object();
  for (const TextEvaluation& text : evaluation.texts) {
    std::optional<double> after;
    if (text.after) {
      after = text.after->perplexity();
    }
    perplexity[text.name] = pair_of(text.before.perplexity(), after);
  }
  OrderedJson samples = OrderedJson::array();
  for (const GreedySample& sample : evaluation.samples) {
    samples.push_back({{"prompt", sample.prompt}, {"before", sample.before}, {"after", sample.after}});
  }
  report["evaluation"] = {{"perplexity", perplexity}, {"tasks", OrderedJson::object()}, {"samples", samples}};
  OrderedJson signatures = OrderedJson::object();
  for (const auto& [name, signature] : evaluation.signatures) {
    signatures[name] = {{"value", signature.value}, {"limit", signature.limit}, {"ok", signature.ok}};
  }
  report["signatures"] = signatures;
}

/// What of the original's folder lies in the result too, and under which terms its card says that it may be used.
void add_companions(const StageContext& context, OrderedJson& report) {
  const std::filesystem::path& folder = context.checkpoint.folder();
  report["copied_files"] = writer_of(context.spec.export_settings.format).companions(context.files, folder);
  const ModelLicense license = read_model_license(context.files, folder);
  for (const auto& [key, value] : {std::pair<const char*, const std::string&>{"license", license.license},
                                   {"license_name", license.name},
                                   {"license_link", license.link}}) {
    if (!value.empty()) {
      report["model"][key] = value;
    }
  }
}

void add_history(const std::vector<JobEvent>& events, OrderedJson& report) {
  OrderedJson stages = OrderedJson::object();
  std::vector<std::string> warnings;
  for (const JobEvent& event : events) {
    if (event.kind == EventKind::stage_done) {
      OrderedJson& stage = stages[event.stage];
      stage = OrderedJson::object();
      for (const Metric metric : {Metric::seconds, Metric::peak_bytes, Metric::tokens}) {
        stage[std::string(metric_name(metric))] = event.metric(metric).value_or(0.0);
      }
    } else if (event.kind == EventKind::warning &&  // an attempt after a stop says again what still holds
               std::find(warnings.begin(), warnings.end(), event.message) == warnings.end()) {
      warnings.push_back(event.message);
    }
  }
  report["stages"] = stages;
  report["warnings"] = warnings;
}

}  // namespace

std::string report_json(const StageContext& context, const RunResults& results,
                        const std::vector<JobEvent>& events) {
  OrderedJson report;
  report["schema_version"] = 1;
  report["model"] = {{"name", context.checkpoint.folder().filename().string()},
                     {"architecture", context.dense().architecture},
                     {"layers", context.layers()}};
  report["recipe"] = OrderedJson::parse(to_json(context.spec));
  report["seed"] = context.spec.seed;
  report["ranks"] = context.communicator.size();
  report["code_version"] = code_version;
  if (const std::optional<NumericsRecord> numerics = read_numerics(context.files, context.job)) {
    report["numerics"] = {{"kinds", OrderedJson::parse(to_json(*numerics)).at("kinds")}};
  }
  report["format"] = format_name(context.spec.export_settings.format);
  if (results.compressed && results.plan) {
    report["target"] = target_of(context, *results.compressed);
  }
  add_sizes(context, results, report);
  if (results.exported_bytes > 0) {
    add_companions(context, report);
  }
  if (results.evaluation) {
    add_evaluation(*results.evaluation, report);
  }
  if (results.plan && results.compressed) {
    report["plan"] = plan_of(*results.plan, *results.compressed);
  }
  if (results.analysis) {
    report["similarity"] = {{"ffn", similarity_of(results.analysis->ffn)},
                            {"attention", similarity_of(results.analysis->attention)}};
    report["spectra"] = spectra_of(*results.analysis);
  }
  if (results.finetuning) {
    report["finetuning"] = OrderedJson::parse(to_json(*results.finetuning));
    report["finetuning"].erase("schema_version");
  }
  add_history(events, report);
  return report.dump(2) + "\n";
}

}  // namespace cce
