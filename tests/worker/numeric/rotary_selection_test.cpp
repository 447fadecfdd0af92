#include "worker/numeric/rotary_selection.h"

#include <gmock/gmock.h>

#include <array>

#include "tests/worker/numeric/numeric_fixture.h"

namespace cce {
namespace {

class RotarySelection : public NumericTest {};

TEST_F(RotarySelection, cost_is_half_the_sum_over_the_removed_block) {
  const OwnedMatrix p = covariance(16, 40, 1);
  const auto curve = order_rotary_pairs(p.view(), 1.0);
  ASSERT_EQ(curve.order.size(), 16u);
  for (std::size_t count = 1; count <= 16; ++count) {
    double direct = 0.0;
    for (std::size_t a = 0; a < count; ++a) {
      for (std::size_t b = 0; b < count; ++b) {
        direct += 0.5 * at(p, curve.order[a], curve.order[b]);
      }
    }
    EXPECT_NEAR(curve.cost_at(16 - static_cast<std::int64_t>(count)), direct, 1e-12);
  }
}

TEST_F(RotarySelection, takes_the_cheapest_increment_each_time) {
  OwnedMatrix p = identity(3);  // pairs 1 and 2 cancel: once 1 is gone, 2 pays back
  at(p, 0, 0) = 1.5;
  at(p, 1, 2) = at(p, 2, 1) = -0.9;
  const auto curve = order_rotary_pairs(p.view(), 2.0);
  EXPECT_THAT(curve.order, ::testing::ElementsAre(1, 2, 0));
  EXPECT_THAT(curve.cost,
              ::testing::ElementsAre(::testing::DoubleNear(1.0, 1e-15), ::testing::DoubleNear(0.2, 1e-15),
                                     ::testing::DoubleNear(1.7, 1e-15)));
}

}  // namespace
}  // namespace cce
