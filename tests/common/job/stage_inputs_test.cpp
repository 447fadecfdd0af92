#include "common/job/stage_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/model/formats/export_format.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

/// A change of the recipe and the stages, of those up to encode, whose own keys it changes.
struct KeyRow {
  const char* name;
  std::function<void(JobSpec&)> change;
  std::vector<Stage> decides;
};

const KeyRow key_rows[] = {
    {"seed",
     [](JobSpec& spec) { spec.seed = 5; },
     {Stage::calibrate, Stage::analyze, Stage::make_plan, Stage::encode}},
    {"length",
     [](JobSpec& spec) { spec.calibration.length = 64; },
     {Stage::calibrate, Stage::analyze, Stage::make_plan, Stage::encode}},
    {"bos",
     [](JobSpec& spec) { spec.calibration.bos = BeginTokens::always; },
     {Stage::calibrate, Stage::analyze, Stage::make_plan, Stage::encode}},
    {"sequences", [](JobSpec& spec) { spec.calibration.sequences = 9; }, {Stage::calibrate}},
    {"gradients", [](JobSpec& spec) { spec.calibration.gradient_sequences = 3; }, {Stage::calibrate}},
    {"place_of_a_text",
     [](JobSpec& spec) { spec.calibration.text = {{.path = "x", .name = "x", .first = 0, .last = {}}}; },
     {}},
    {"keep_statistics", [](JobSpec& spec) { spec.calibration.keep_statistics = true; }, {}},
    {"amount", [](JobSpec& spec) { spec.target.amount = 0.4; }, {Stage::make_plan}},
    {"kind", [](JobSpec& spec) { spec.target.kind = TargetKind::remove_flops; }, {Stage::make_plan}},
    {"threshold",
     [](JobSpec& spec) { spec.target.kind = TargetKind::threshold; },
     {Stage::analyze, Stage::make_plan}},
    {"format", [](JobSpec& spec) { spec.export_settings.format = ExportFormat::custom; }, {Stage::make_plan}},
    {"round_to", [](JobSpec& spec) { spec.export_settings.round_to = 8; }, {Stage::make_plan}},
    {"dtype", [](JobSpec& spec) { spec.export_settings.dtype = "f32"; }, {Stage::make_plan}},
    {"structures", [](JobSpec& spec) { spec.structures = {Structure::ffn}; }, {Stage::make_plan}},
    {"blocks",
     [](JobSpec& spec) { spec.structures = {Structure::blocks}; },
     {Stage::analyze, Stage::make_plan}},
    {"layers",
     [](JobSpec& spec) { spec.structures = {Structure::layers}; },
     {Stage::analyze, Stage::make_plan}},
    {"similarity", [](JobSpec& spec) { spec.similarity.weight = 0.5; }, {Stage::analyze}},
    {"scores",
     [](JobSpec& spec) { spec.encode.loss_weighted_scores = false; },
     {Stage::analyze, Stage::make_plan}},
    {"refit_target",
     [](JobSpec& spec) { spec.encode.target = RefitTarget::local; },
     {Stage::make_plan, Stage::encode}},
    {"equal_budgets", [](JobSpec& spec) { spec.encode.equal_budgets = true; }, {Stage::make_plan}},
    {"ridge", [](JobSpec& spec) { spec.encode.ridge_lambda = 0.1; }, {Stage::encode}},
    {"refinement", [](JobSpec& spec) { spec.encode.refine_steps = 2; }, {Stage::encode}},
    {"finetuning", [](JobSpec& spec) { spec.finetune.max_tokens = 100; }, {}},
    {"evaluation", [](JobSpec& spec) { spec.evaluate.samples = 0; }, {}},
    {"guard", [](JobSpec& spec) { spec.guard.mode = GuardMode::stop; }, {}},
    {"output", [](JobSpec& spec) { spec.output = "elsewhere"; }, {}},
    {"device", [](JobSpec& spec) { spec.resources.device = "cpu"; }, {}},
};

class DecidingKeys : public ::testing::TestWithParam<KeyRow> {};

TEST_P(DecidingKeys, a_key_decides_its_stages_and_no_other) {
  JobSpec changed;
  GetParam().change(changed);
  std::vector<Stage> decided;
  for (const Stage stage : {Stage::calibrate, Stage::analyze, Stage::make_plan, Stage::encode}) {
    if (!deciding_keys(JobSpec{}, stage).differences(deciding_keys(changed, stage)).empty() ||
        deciding_keys(JobSpec{}, stage).fingerprint() != deciding_keys(changed, stage).fingerprint()) {
      decided.push_back(stage);
    }
  }
  EXPECT_THAT(decided, ElementsAreArray(GetParam().decides));
}

INSTANTIATE_TEST_SUITE_P(Keys, DecidingKeys, ::testing::ValuesIn(key_rows),
                         [](const auto& instance) { return instance.param.name; });

TEST(StageInputs, differences_are_named) {
  StageInputs first, second;
  first.set("seed", "1");
  first.set("build", "a");
  first.set("only here", "x");
  second.set("seed", "2");
  second.set("build", "a");
  EXPECT_THAT(first.differences(second), ElementsAre("seed"));
  EXPECT_THAT(first.differences(first), IsEmpty());
  EXPECT_NE(first.fingerprint(), second.fingerprint());
}

TEST(StageInputs, read_back_as_they_were_written) {
  StageInputs inputs;
  inputs.set("seed", "1");
  inputs.set("calibration.text", "0a\"b");
  const StageInputs read = StageInputs::parse(inputs.to_json(), "inputs.json");
  EXPECT_EQ(read.fingerprint(), inputs.fingerprint());
  expect_error([] { StageInputs::parse("{\"seed\": 1}", "inputs.json"); }, ErrorCode::wrong_type, "seed");
  expect_error([] { StageInputs::parse("{", "inputs.json"); }, ErrorCode::malformed_file, "inputs.json");
}

TEST(StageInputs, ranks_and_ownership_decide_calibrate_and_a_forecast_does_not) {
  JobSpec spec;
  spec.model_digest = "abc";
  Partition one;
  one.sequences = split_sequences(4, 1);
  one.owner = {0, 0};
  Partition forecast = one;
  forecast.forecast = {{.peak_bytes = 5, .host_bytes = 0, .stages = {}}};
  Partition two = one;
  two.sequences = split_sequences(4, 2);
  const StageInputs inputs = known_calibrate_inputs(spec, one);
  EXPECT_THAT(inputs.differences(known_calibrate_inputs(spec, forecast)), IsEmpty());
  EXPECT_THAT(inputs.differences(known_calibrate_inputs(spec, two)),
              ElementsAre("partition", "resources.ranks"));
  spec.model_digest = "xyz";
  EXPECT_THAT(inputs.differences(known_calibrate_inputs(spec, one)), ElementsAre("model"));
}

}  // namespace
}  // namespace cce
