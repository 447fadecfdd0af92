#include "worker/stages/result/report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "common/job/numerics_record.h"
#include "tests/common/error_matcher.h"
#include "tests/worker/stages/plan/plan_fixture.h"
#include "tests/worker/stages/stage_fixture.h"
#include "worker/stages/plan/make_plan.h"

namespace cce {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) {
    keys.push_back(key);
  }
  return keys;
}

Evaluation small_evaluation() {
  Evaluation evaluation;
  evaluation.texts.push_back(
      {"wiki", {std::log(8.0), 0.0, 0.0, 10}, TextLosses{std::log(10.0), 0.0, 0.0, 10}});
  evaluation.signatures["perplexity_increase"] = {0.25, 0.2, false};
  evaluation.samples.push_back({"Once", " upon", " a"});
  return evaluation;
}

std::vector<JobEvent> small_history() {
  JobEvent first;
  first.kind = EventKind::stage_done;
  first.stage = "encode";
  first.metrics = {{"seconds", 1.0}, {"peak_bytes", 1e6}, {"tokens", 5.0}};
  JobEvent resumed = first;
  resumed.metrics["seconds"] = 2.0;
  JobEvent warning;
  warning.kind = EventKind::warning;
  warning.message = "careful";
  return {first, warning, resumed};
}

/// The report of a run on llama_mha, with or without a compressed model.
Json report_of(bool compressed) {
  StageJob job("llama_mha");
  Json report;
  job.run(1, [&](StageContext& context) {
    RunResults results;
    results.evaluation = small_evaluation();
    if (compressed) {
      results.analysis = priced_model(context.dense(), {1e-6, 2e-6});
      results.plan = make_plan(context.spec, context.dense(), *results.analysis);
      results.compressed =
          with_refit_biases(apply_plan(context.dense(), *results.plan), ExportFormat::custom);
      results.exported_bytes = 1234;
    }
    write_numerics(context.files, context.job,
                   {.kinds = {{.build = "b", .facts = {{"openblas", "SkylakeX"}}}}});
    report = Json::parse(report_json(context, results, small_history()));
  });
  return report;
}

TEST(Report, has_every_field_of_schema_version_1) {
  const Json report = report_of(true);
  EXPECT_THAT(keys_of(report),
              ElementsAre("bytes", "code_version", "copied_files", "evaluation", "flops_per_token", "format",
                          "model", "numerics", "params", "plan", "ranks", "recipe", "schema_version", "seed",
                          "signatures", "similarity", "spectra", "stages", "target", "warnings"));
  EXPECT_EQ(report["schema_version"], 1);
  EXPECT_EQ(report["model"],
            (Json{{"name", "llama_mha"}, {"architecture", "LlamaForCausalLM"}, {"layers", 2}}));
  EXPECT_EQ(report["format"], "custom");
  EXPECT_EQ(report["ranks"], 1);
  EXPECT_EQ(report["numerics"]["kinds"], Json::array({{{"build", "b"}, {"openblas", "SkylakeX"}}}));
  for (const char* part : {"blocks", "total"}) {
    EXPECT_LT(report["params"][part]["after"].get<double>(), report["params"][part]["before"].get<double>());
  }
  EXPECT_EQ(report["bytes"]["after"], 1234);
  EXPECT_EQ(report["target"]["kind"], "remove_params");
  EXPECT_GE(report["target"]["achieved"].get<double>(), 0.3);
  EXPECT_NEAR(report["evaluation"]["perplexity"]["wiki"]["after"].get<double>(), 10.0, 1e-9);
  EXPECT_TRUE(report["evaluation"]["tasks"].is_object());
  EXPECT_EQ(report["signatures"]["perplexity_increase"],
            (Json{{"value", 0.25}, {"limit", 0.2}, {"ok", false}}));
  ASSERT_EQ(report["plan"]["layers"].size(), 2U);
  EXPECT_THAT(keys_of(report["plan"]["layers"][0]),
              ElementsAre("ffn", "kv_groups", "measured_nats", "predicted_nats", "qk", "vo"));
  EXPECT_GT(report["plan"]["price"].get<double>(), 0.0);
  EXPECT_EQ(report["similarity"]["ffn"]["matrix"].size(), 2U);
  EXPECT_EQ(report["similarity"]["attention"]["clusters"].size(), 2U);
  EXPECT_THAT(keys_of(report["spectra"]), ElementsAre("0", "1"));
  EXPECT_EQ(report["warnings"], Json::array({"careful"}));
}

TEST(Report, a_resumed_stage_counts_as_its_last_attempt) {
  const Json stage = report_of(true)["stages"]["encode"];
  EXPECT_EQ(stage, (Json{{"seconds", 2.0}, {"peak_bytes", 1e6}, {"tokens", 5.0}}));
}

TEST(Report, an_evaluation_alone_has_nothing_after) {
  const Json report = report_of(false);
  for (const char* absent : {"target", "plan", "similarity", "spectra"}) {
    EXPECT_FALSE(report.contains(absent)) << absent;
  }
  EXPECT_FALSE(report["params"]["blocks"].contains("after"));
  EXPECT_FALSE(report["bytes"].contains("after"));
}

TEST(ModelAnalysis, reads_back_to_the_same_bits) {
  ModelAnalysis analysis = priced_model(planned_model(2), {1.0 / 3.0, 1e-300});
  analysis.layers[0].ffn_spectra = {{3.3, 0.1 + 0.2, 1e-310}, {1.0 / 7.0}};
  const std::string text = to_json(analysis);
  const ModelAnalysis read = parse_model_analysis(text, "analysis.json");
  EXPECT_EQ(to_json(read), text);
  EXPECT_EQ(read.layers[0].ffn.cost, analysis.layers[0].ffn.cost);
  EXPECT_EQ(read.layers[0].ffn_spectra.eigenvalues, analysis.layers[0].ffn_spectra.eigenvalues);
  EXPECT_EQ(read.layers[0].ffn_spectra.singular, analysis.layers[0].ffn_spectra.singular);
  expect_error([] { parse_model_analysis("{}", "analysis.json"); }, ErrorCode::malformed_file,
               "analysis.json");
}

}  // namespace
}  // namespace cce
