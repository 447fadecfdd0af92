#include "worker/stages/analyze/analyze_state.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/common/error_matcher.h"
#include "tests/worker/stages/stage_fixture.h"
#include "worker/stages/calibrate/calibrate.h"
#include "worker/tensor/host_access.h"

namespace cce {
namespace {

std::vector<double> values(const OwnedMatrix& matrix) {
  const double* first = matrix.as<double>();
  return {first, first + matrix.rows() * matrix.cols()};
}

StageInputs some_inputs() {
  StageInputs inputs;
  inputs.set("seed", "7");
  return inputs;
}

TEST(AnalyzeState, value_spectra_come_back_to_the_same_bits) {
  StageJob job("llama3_gqa");
  const CalibrationData data = job.data();
  job.run(2, [&](StageContext& context) {
    const StageInputs inputs = some_inputs();
    const auto statistics = calibrate(context, data);
    std::int64_t owned = 0;
    const auto check = [&](std::int64_t layer, const std::vector<HeadSpectrum>& spectra) {
      ++owned;
      EXPECT_TRUE(context.owns(layer));
      save_value_spectra(context, layer, spectra, inputs);
      const std::vector<HeadSpectrum> found = load_value_spectra(context, layer, inputs);
      ASSERT_EQ(found.size(), spectra.size());
      EXPECT_EQ(static_cast<std::int64_t>(found.size()), context.dense().layers[0].kv_groups);
      for (std::size_t group = 0; group < found.size(); ++group) {
        EXPECT_EQ(values(found[group].lower), values(spectra[group].lower));
        EXPECT_EQ(values(found[group].directions), values(spectra[group].directions));
        EXPECT_EQ(found[group].squared_sigma, spectra[group].squared_sigma);
      }
    };
    const ModelAnalysis analysis = analyze(context, statistics, data, check);
    EXPECT_GT(owned, 0);
    EXPECT_FALSE(has_analysis(context, inputs));
    save_analysis(context, analysis, inputs);
    EXPECT_TRUE(has_analysis(context, inputs));
  });
}

TEST(AnalyzeState, an_analysis_without_the_spectra_of_a_layer_does_not_serve) {
  StageJob job("llama3_gqa");
  const CalibrationData data = job.data();
  job.run(1, [&](StageContext& context) {
    const StageInputs inputs = some_inputs();
    const auto statistics = calibrate(context, data);
    const ModelAnalysis analysis =
        analyze(context, statistics, data, [](std::int64_t, const std::vector<HeadSpectrum>&) {});
    save_analysis(context, analysis, inputs);
    EXPECT_FALSE(has_analysis(context, inputs));
    expect_error([&] { load_value_spectra(context, 0, inputs); }, ErrorCode::missing_file,
                 "analyze.layer-000");
  });
}

}  // namespace
}  // namespace cce
