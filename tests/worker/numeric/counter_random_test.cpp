#include "worker/numeric/counter_random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/worker/numeric/numeric_fixture.h"

namespace cce {
namespace {

struct KnownAnswer {
  const char* name;
  std::array<std::uint32_t, 4> counter;
  std::array<std::uint32_t, 2> key;
  std::array<std::uint32_t, 4> expected;
};

// Known-answer vectors of the Random123 distribution (philox4x32, 10 rounds).
const KnownAnswer known_answers[] = {
    {"zeros", {0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {"ones",
     {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {"digits_of_pi",
     {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};

class Philox : public ::testing::TestWithParam<KnownAnswer> {};

TEST_P(Philox, gives_the_published_words) {
  EXPECT_EQ(philox4x32_10(GetParam().counter, GetParam().key), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(Random123, Philox, ::testing::ValuesIn(known_answers),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(CounterRandom, is_addressed_by_seed_stream_and_index) {
  const CounterRandom random(7, 3);
  EXPECT_EQ(random.block(5), philox4x32_10({5, 0, 3, 0}, {7, 0}));
  EXPECT_EQ(random.uniform(5), CounterRandom(7, 3).uniform(5));
  EXPECT_NE(random.uniform(5), random.uniform(6));
  EXPECT_NE(random.uniform(5), CounterRandom(7, 4).uniform(5));
  EXPECT_NE(random.uniform(5), CounterRandom(8, 3).uniform(5));
}

TEST(CounterRandom, uniforms_have_the_moments_of_the_unit_interval) {
  constexpr int count = 40000;
  double sum = 0.0, squares = 0.0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double value = CounterRandom(1, 2).uniform(i);
    const float single = CounterRandom(1, 2).uniform_float(i);
    ASSERT_TRUE(value >= 0.0 && value < 1.0);
    ASSERT_TRUE(single >= 0.0f && single < 1.0f);
    ASSERT_NEAR(single, value, 0x1.0p-23);
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / count, 0.5, 5.0 * std::sqrt(1.0 / 12.0 / count));
  EXPECT_NEAR(squares / count, 1.0 / 3.0, 5.0 * std::sqrt(4.0 / 45.0 / count));
}

TEST(CounterRandom, normals_have_the_moments_of_the_standard_normal) {
  constexpr int count = 40000;
  double sum = 0.0, squares = 0.0, fourth = 0.0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double value = CounterRandom(1, 2).normal(i);
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
    fourth += value * value * value * value;
  }
  EXPECT_NEAR(sum / count, 0.0, 5.0 * std::sqrt(1.0 / count));
  EXPECT_NEAR(squares / count, 1.0, 5.0 * std::sqrt(2.0 / count));
  EXPECT_NEAR(fourth / count, 3.0, 5.0 * std::sqrt(96.0 / count));
}

}  // namespace
}  // namespace cce
