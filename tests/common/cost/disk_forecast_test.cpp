#include "common/cost/disk_forecast.h"

#include <gtest/gtest.h>

#include "tests/common/cost/uniform_model.h"
namespace cce {
namespace {

constexpr std::int64_t hidden = 64;
constexpr std::int64_t blocks = 3 * (4 * hidden * hidden + 3 * hidden * 160);
constexpr std::int64_t outer = 1000 * hidden;
constexpr std::int64_t beside_tensors = std::int64_t{16} << 20;

ModelConfig model() {
  return UniformModel{
      .layers = 3, .hidden = hidden, .ffn = 160, .kv_groups = 4, .queries_per_group = 1, .head_dim = 16}
      .config();
}

JobSpec compression() {
  JobSpec spec;
  spec.target.amount = 0.5;
  return spec;
}

JobSpec training(bool validates, double gamma) {
  JobSpec spec = compression();
  spec.finetune.max_tokens = 1;
  spec.finetune.gamma = gamma;
  if (validates) {
    spec.finetune.validation = {{.path = "v", .name = "v", .first = 0, .last = {}}};
  }
  return spec;
}

TEST(DiskForecast, counts_the_f32_layers_of_both_stages_that_leave_them) {
  const DiskForecast disk = forecast_disk(compression(), model());
  EXPECT_EQ(disk.prepared, 4 * blocks / 2 + 3 * 2 * 4 * hidden * hidden);
  EXPECT_EQ(disk.encoded, 4 * blocks / 2);
  EXPECT_EQ(disk.training + disk.trained, 0);
  EXPECT_EQ(disk.result, 2 * (blocks / 2 + outer) + beside_tensors) << "bf16";
  EXPECT_EQ(disk.analyzed, 3 * (8 * 4 * (2 * 16 * 16 + 16) + 32 * 160));
  EXPECT_EQ(disk.widest(), disk.analyzed + disk.prepared + disk.encoded + disk.result);
}

TEST(DiskForecast, an_export_in_f32_takes_twice_the_bytes_of_its_values) {
  JobSpec spec = compression();
  spec.export_settings.dtype = "f32";
  EXPECT_EQ(forecast_disk(spec, model()).result, 4 * (blocks / 2 + outer) + beside_tensors);
}

TEST(DiskForecast, a_target_in_other_units_may_keep_everything) {
  JobSpec spec = compression();
  spec.target = {.kind = TargetKind::remove_flops, .amount = 0.5};
  EXPECT_EQ(forecast_disk(spec, model()).encoded, 4 * blocks);
}

TEST(DiskForecast, training_keeps_two_checkpoints_while_one_replaces_the_other) {
  EXPECT_EQ(forecast_disk(training(false, 0.0), model()).training, 2 * 12 * blocks / 2);
  EXPECT_EQ(forecast_disk(training(false, 0.01), model()).training, 2 * 16 * blocks / 2);
  EXPECT_EQ(forecast_disk(training(true, 0.01), model()).training, (2 * 16 + 4) * blocks / 2);
  EXPECT_EQ(forecast_disk(training(true, 0.01), model()).trained, 4 * blocks / 2);
}

TEST(DiskForecast, is_as_wide_as_training_or_the_end) {
  const DiskForecast disk{.prepared = 1, .encoded = 2, .training = 100, .trained = 10, .result = 50};
  EXPECT_EQ(disk.widest(), 103);
  const DiskForecast late{.prepared = 1, .encoded = 2, .training = 100, .trained = 10, .result = 500};
  EXPECT_EQ(late.widest(), 513);
}

TEST(DiskForecast, training_alone_works_on_the_whole_model) {
  JobSpec spec;
  spec.kind = JobKind::finetune;
  const DiskForecast disk = forecast_disk(spec, model());
  EXPECT_EQ(disk.prepared + disk.encoded, 0);
  EXPECT_EQ(disk.training, 2 * 16 * blocks) << "nothing is removed";
}

}  // namespace
}  // namespace cce
