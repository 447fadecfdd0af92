#include "worker/stages/calibrate/calibration_data.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/common/error_matcher.h"
#include "tests/worker/stages/stage_fixture.h"

namespace cce {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SpreadEvenly, takes_as_many_as_asked_at_even_distances) {
  EXPECT_THAT(spread_evenly(8, 2), ElementsAre(3, 7));
  EXPECT_THAT(spread_evenly(5, 5), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(spread_evenly(7, 3), ElementsAre(2, 4, 6));
  EXPECT_THAT(spread_evenly(3, 0), IsEmpty());
  for (std::int64_t total = 1; total < 40; ++total) {
    for (std::int64_t count = 1; count <= total; ++count) {
      const std::vector<std::int64_t> found = spread_evenly(total, count);
      ASSERT_EQ(static_cast<std::int64_t>(found.size()), count);
      for (std::size_t i = 1; i < found.size(); ++i) {
        const std::int64_t distance = found[i] - found[i - 1];
        EXPECT_GE(distance, total / count);
        EXPECT_LE(distance, (total + count - 1) / count);
      }
    }
  }
}

TEST(CalibrationData, a_ranks_gradient_sequences_are_those_in_its_range) {
  CalibrationData data;
  data.gradient_sequences = {1, 3, 5, 7};
  EXPECT_THAT(data.gradient_sequences_of({3, 3}), ElementsAre(3, 5));
  EXPECT_THAT(data.gradient_sequences_of({2, 1}), IsEmpty());
}

/// A job whose text is a file of the tokens 0, 1, 2, ...
class CalibrationText : public ::testing::Test {
 protected:
  CalibrationText() : job_("llama_mha", 4, 5) {
    std::vector<std::uint16_t> tokens(60);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = static_cast<std::uint16_t>(i);
    }
    std::ofstream(folder_ / "text.u16", std::ios::binary)
        .write(reinterpret_cast<const char*>(tokens.data()), static_cast<std::streamsize>(2 * tokens.size()));
    job_.spec.calibration.text = {{(folder_ / "text.u16").string(), "text", 0, std::nullopt}};
    job_.spec.calibration.gradient_sequences = 2;
  }

  TemporaryFolder folder_;
  StageJob job_;
};

TEST_F(CalibrationText, windows_are_spread_over_the_text_and_reach_every_rank) {
  job_.run(3, [](StageContext& context) {
    const CalibrationData data = load_calibration_data(context);
    ASSERT_EQ(data.windows.size(), 4U);  // of 12 windows: 2, 5, 8, 11
    EXPECT_THAT(data.windows[0], ElementsAre(10, 11, 12, 13, 14));
    EXPECT_THAT(data.windows[3], ElementsAre(55, 56, 57, 58, 59));
    EXPECT_THAT(data.gradient_sequences, ElementsAre(1, 3));
  });
}

/// llama_mha has no tokenizer: a token file whose ending is in capitals needs none either.
TEST_F(CalibrationText, a_token_file_is_one_whatever_the_case_of_its_ending) {
  std::filesystem::copy(folder_ / "text.u16", folder_ / "text.U16");
  job_.spec.calibration.text[0].path = (folder_ / "text.U16").string();
  job_.run(1, [](StageContext& context) { EXPECT_EQ(load_calibration_data(context).windows.size(), 4U); });
}

TEST_F(CalibrationText, too_few_windows_are_an_error_on_every_rank) {
  job_.spec.calibration.sequences = 13;
  expect_error([this] { job_.run(2, [](StageContext& context) { load_calibration_data(context); }); },
               ErrorCode::text_too_short, "calibration.sequences to 12");
}

}  // namespace
}  // namespace cce
