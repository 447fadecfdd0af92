#include "worker/rank_backend.h"

#include "tests/common/error_matcher.h"

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

}  // namespace
}  // namespace cce
