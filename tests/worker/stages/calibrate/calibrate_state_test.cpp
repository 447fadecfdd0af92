#include "worker/stages/calibrate/calibrate_state.h"

#include <gtest/gtest.h>

#include "common/cost/sizes.h"
#include "tests/common/error_matcher.h"
#include "tests/worker/stages/stage_fixture.h"
#include "worker/stages/calibrate/calibrate.h"

namespace cce {
namespace {

using Statistics = std::vector<std::optional<LayerStatistics>>;

void expect_same_bits(const OwnedMatrix& a, const OwnedMatrix& b, const std::string& what) {
  ASSERT_EQ(a.rows(), b.rows()) << what;
  ASSERT_EQ(a.cols(), b.cols()) << what;
  for (std::int64_t i = 0; i < a.rows() * a.cols(); ++i) {
    ASSERT_EQ(a.as<double>()[i], b.as<double>()[i]) << what << ", element " << i;
  }
}

void expect_same_sums(const LayerStatistics& a, const LayerStatistics& b) {
  const std::pair<const SubBlockStatistics*, const SubBlockStatistics*> pairs[] = {
      {&a.attention, &b.attention}, {&a.ffn, &b.ffn}};
  for (const auto& [first, second] : pairs) {
    expect_same_bits(first->weighted_covariance, second->weighted_covariance, "weighted covariance");
    expect_same_bits(first->covariance, second->covariance, "covariance");
    expect_same_bits(first->feature_sum, second->feature_sum, "feature sum");
    expect_same_bits(first->gradient_covariance, second->gradient_covariance, "gradient covariance");
  }
  expect_same_bits(a.pair_covariance, b.pair_covariance, "pair covariance");
}

class CalibrateState : public ::testing::TestWithParam<int> {};

TEST_P(CalibrateState, gives_the_same_sums_back_to_the_bit) {
  StageJob job("llama3_gqa");
  job.run(GetParam(), [&](StageContext& context) {
    const CalibrationData data = job.data();
    const StageInputs inputs = calibrate_inputs(context, data);
    EXPECT_FALSE(has_statistics(context, inputs));
    Statistics statistics = calibrate(context, data);
    save_statistics(context, statistics, inputs);
    EXPECT_TRUE(has_statistics(context, inputs));
    const Statistics read = load_statistics(context, inputs);
    for (std::size_t layer = 0; layer < statistics.size(); ++layer) {
      ASSERT_EQ(read[layer].has_value(), statistics[layer].has_value());
      if (read[layer]) {
        expect_same_sums(*read[layer], *statistics[layer]);
        const auto path = job.root() / "state" / ("calibrate.layer-00" + std::to_string(layer)) / "sums";
        EXPECT_EQ(static_cast<std::int64_t>(std::filesystem::file_size(path)),
                  8 * cost::stored_sum_numbers(context.dense().layers[layer], context.dense().hidden_size));
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, CalibrateState, ::testing::Values(1, 2));

TEST(CalibrateState, other_tokens_and_other_programs_are_other_inputs) {
  StageJob job("llama3_gqa");
  job.run(1, [&](StageContext& context) {
    CalibrationData data = job.data();
    const StageInputs inputs = calibrate_inputs(context, data);
    data.windows[1][3] += 1;
    EXPECT_EQ(inputs.differences(calibrate_inputs(context, data)),
              std::vector<std::string>{"calibration.text"});
    context.build = "another";
    EXPECT_EQ(inputs.differences(calibrate_inputs(context, job.data())), std::vector<std::string>{"build"});
    context.compute_dtype = DType::bf16;
    EXPECT_EQ(inputs.differences(calibrate_inputs(context, job.data())),
              (std::vector<std::string>{"build", "resources.precision"}));
  });
}

TEST(CalibrateState, a_file_of_another_size_is_refused) {
  StageJob job("llama3_gqa");
  job.run(1, [&](StageContext& context) {
    const CalibrationData data = job.data();
    const StageInputs inputs = calibrate_inputs(context, data);
    Statistics statistics = calibrate(context, data);
    save_statistics(context, statistics, inputs);
    std::filesystem::resize_file(job.root() / "state/calibrate.layer-000/sums", 16);
    expect_error([&] { load_statistics(context, inputs); }, ErrorCode::malformed_file, "calibrate.layer-000");
  });
}

}  // namespace
}  // namespace cce
