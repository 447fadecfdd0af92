#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "tests/worker/model/model_golden.h"
#include "tests/worker/model/raw_checkpoint.h"
#include "worker/model/model_runner.h"

namespace cce {
namespace {

struct PrecisionRow {
  const char* name;
  DType dtype;
  double max_difference;
};

class StoryLosses : public ::testing::TestWithParam<PrecisionRow> {};

/// A real checkpoint on real text: the mean loss of 40 windows of 512 predictions, known to be 1.3244 in
/// fp32. A window ends with the token that the next one starts with.
TEST_P(StoryLosses, mean_over_forty_windows) {
  constexpr std::int64_t windows = 40, predictions = 512;
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const Checkpoint checkpoint = Checkpoint::open(PosixFileSystem(), test_model("stories260K"));
  const std::string bytes = read_bytes(test_model("stories260K") / "tinystories.tokens.u16");
  std::vector<std::uint16_t> stored(bytes.size() / 2);
  std::memcpy(stored.data(), bytes.data(), bytes.size());
  ASSERT_EQ(stored.size(), static_cast<std::size_t>(windows * predictions + 1));
  std::vector<std::int32_t> ids;
  for (std::int64_t window = 0; window < windows; ++window) {
    const auto first = stored.begin() + window * predictions;
    ids.insert(ids.end(), first, first + predictions + 1);
  }

  const EndWeights ends = checkpoint.end_weights(*backend, GetParam().dtype);
  ModelRunner runner(*backend, checkpoint.config(), ends,
                     checkpoint_layers(*backend, checkpoint, GetParam().dtype), GetParam().dtype);
  const std::vector<float> losses = runner.token_losses(ids, {windows, predictions + 1}, 4);
  ASSERT_EQ(losses.size(), static_cast<std::size_t>(windows * predictions));
  const double mean = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
  EXPECT_NEAR(mean, 1.3244, GetParam().max_difference);
}

INSTANTIATE_TEST_SUITE_P(Precisions, StoryLosses,
                         ::testing::Values(PrecisionRow{"f32", DType::f32, 5e-5},
                                           PrecisionRow{"bf16", DType::bf16, 5e-3}),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace cce
