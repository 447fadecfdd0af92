#include "worker/run/rank_backend.h"

#include "tests/common/error_matcher.h"
#include "tests/worker/fenced/fenced_backend.h"

namespace cce {
namespace {

TEST(RankBackend, is_the_cpus_where_no_gpu_was_chosen) {
  EXPECT_EQ(make_rank_backend({}, {}, 1)->device(), "cpu");
}

TEST(RankBackend, refuses_ten_bit_products_on_a_cpu) {
  ResourceSettings resources;
  resources.precision = "tf32";
  expect_error([&] { make_rank_backend({}, resources, 1); }, ErrorCode::unsupported,
               "resources.precision: found tf32 on a CPU");
}

TEST(RankBackend, a_forecast_beyond_what_it_may_hold_is_refused_before_any_work) {
  const FencedBackend backend(1);
  const auto limit = static_cast<std::int64_t>(backend.limit_bytes().value());
  ResourceSettings resources;
  resources.device = "cuda";
  EXPECT_NO_THROW(check_forecast(resources, backend, limit));
  expect_error([&] { check_forecast(resources, backend, limit + 1); }, ErrorCode::does_not_fit,
               "resources.memory");
  resources.device = "auto";  // the forecast is the CPU's
  EXPECT_NO_THROW(check_forecast(resources, backend, limit + 1));
  resources.device = "cuda";
  EXPECT_NO_THROW(check_forecast(resources, *make_cpu_backend(1), limit + 1))
      << "the coordinator looked at it";
}

}  // namespace
}  // namespace cce
