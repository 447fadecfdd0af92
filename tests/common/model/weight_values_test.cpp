#include "common/model/weight_values.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <vector>

namespace cce {
namespace {

template <typename Bits>
std::string bytes_of(const std::vector<Bits>& values) {
  std::string bytes(values.size() * sizeof(Bits), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

StoredValues stored(const std::string& bytes, const std::string& dtype) {
  return {std::as_bytes(std::span(bytes)), dtype};
}

std::uint32_t f32(float value) {
  return std::bit_cast<std::uint32_t>(value);
}

struct BitsRow {
  const char* name;
  const char* dtype;
  std::uint32_t bits;
  const char* held_as;
  bool held;
};

TEST(WeightValuesTest, what_a_dtype_holds) {
  const float infinity = std::numeric_limits<float>::infinity();
  const BitsRow rows[] = {
      {"f32_zero", "F32", f32(-0.0F), "", true},
      {"f32_largest", "F32", f32(std::numeric_limits<float>::max()), "", true},
      {"f32_infinity", "F32", f32(infinity), "", false},
      {"f32_minus_infinity", "F32", f32(-infinity), "", false},
      {"f32_quiet_nan", "F32", 0x7fc00000U, "", false},
      {"f32_signalling_nan", "F32", 0xff800001U, "", false},
      {"f32_subnormal", "F32", 1U, "F16", true},
      {"f32_as_f16_largest", "F32", f32(65504.0F), "F16", true},
      {"f32_as_f16_rounds_down", "F32", f32(65519.9F), "F16", true},
      {"f32_as_f16_rounds_up", "F32", f32(-65520.0F), "F16", false},
      {"f32_as_bf16_largest", "F32", 0x7f7f7fffU, "BF16", true},
      {"f32_as_bf16_rounds_up", "F32", 0x7f7f8000U, "BF16", false},
      {"f32_as_f32", "F32", f32(3e38F), "F32", true},
      {"bf16_largest", "BF16", 0x7f7fU, "", true},
      {"bf16_infinity", "BF16", 0xff80U, "", false},
      {"bf16_nan", "BF16", 0x7fc1U, "BF16", false},
      {"bf16_as_f16_held", "BF16", 0x477fU, "F16", true},
      {"bf16_as_f16_not_held", "BF16", 0x4780U, "F16", false},
      {"bf16_as_f32", "BF16", 0x7f00U, "F32", true},
      {"f16_largest", "F16", 0xfbffU, "BF16", true},
      {"f16_infinity", "F16", 0x7c00U, "F32", false},
      {"f16_nan", "F16", 0x7e00U, "", false},
  };
  for (const BitsRow& row : rows) {
    SCOPED_TRACE(row.name);
    const std::string bytes =
        std::string(row.dtype) == "F32"
            ? bytes_of(std::vector<std::uint32_t>{row.bits})
            : bytes_of(std::vector<std::uint16_t>{static_cast<std::uint16_t>(row.bits)});
    EXPECT_EQ(find_unheld_values(stored(bytes, row.dtype), row.held_as).has_value(), !row.held);
  }
}

TEST(WeightValuesTest, finds_the_first_and_counts_all_at_any_alignment) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{4095}, std::size_t{4096}, std::size_t{10000}}) {
    for (const std::size_t place : {std::size_t{0}, count / 2, count - 1}) {
      std::vector<std::uint16_t> values(count, 0x3f80U);
      values[place] = 0x7fc0U;
      values[count - 1] = 0xff80U;
      const std::string bytes = "x" + bytes_of(values);
      const auto found = find_unheld_values({std::as_bytes(std::span(bytes)).subspan(1), "BF16"});
      ASSERT_TRUE(found.has_value());
      EXPECT_EQ(found->first, static_cast<std::int64_t>(place));
      EXPECT_EQ(found->count, place == count - 1 ? 1 : 2);
    }
  }
  EXPECT_FALSE(find_unheld_values(stored("", "F32")).has_value());
}

TEST(WeightValuesTest, says_the_value) {
  EXPECT_EQ(find_unheld_values(stored(bytes_of<std::uint16_t>({0xc7c0U}), "BF16"), "F16")->value, -98304.0F);
  EXPECT_EQ(find_unheld_values(stored(bytes_of<std::uint16_t>({0x7c00U}), "F16"))->value,
            std::numeric_limits<float>::infinity());
  EXPECT_EQ(find_unheld_values(stored(bytes_of<std::uint32_t>({f32(1e30F)}), "F32"), "F16")->value, 1e30F);
}

TEST(WeightValuesTest, same_values_in_every_pair_of_dtypes) {
  const std::string wide = bytes_of<std::uint32_t>({f32(1.5F), f32(-0.25F), f32(0.0F)});
  const std::string brain = bytes_of<std::uint16_t>({0x3fc0U, 0xbe80U, 0x0000U});
  const std::string half = bytes_of<std::uint16_t>({0x3e00U, 0xb400U, 0x0000U});
  const StoredValues all[] = {stored(wide, "F32"), stored(brain, "BF16"), stored(half, "F16")};
  for (const StoredValues& a : all) {
    for (const StoredValues& b : all) EXPECT_TRUE(same_values(a, b)) << a.dtype << " " << b.dtype;
  }
  const std::string other = bytes_of<std::uint32_t>({f32(1.5F), f32(-0.25F), f32(0x1p-24F)});
  for (const StoredValues& a : all) EXPECT_FALSE(same_values(a, stored(other, "F32"))) << a.dtype;
  EXPECT_FALSE(same_values(all[0], stored(wide.substr(4), "F32")));
  // The smallest number of F16 is one of F32 too.
  EXPECT_TRUE(same_values(stored(bytes_of<std::uint16_t>({1U}), "F16"),
                          stored(bytes_of<std::uint32_t>({f32(0x1p-24F)}), "F32")));
}

}  // namespace
}  // namespace cce
