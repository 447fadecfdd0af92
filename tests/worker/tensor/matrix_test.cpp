#include "worker/tensor/matrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/base/error.h"
#include "worker/tensor/dtype.h"

namespace cce {
namespace {

TEST(Matrix, block_is_a_view_of_the_same_memory) {
  float data[12] = {};
  const Matrix whole{data, DType::f32, 3, 3, 4};
  const Matrix inner = whole.block(1, 2, 2, 1);
  EXPECT_EQ(inner.data, data + 6);
  EXPECT_EQ(inner.rows, 2);
  EXPECT_EQ(inner.cols, 1);
  EXPECT_EQ(inner.stride, 4);
  EXPECT_EQ(ConstMatrix(whole).rows_from(2, 1).data, data + 8);
  EXPECT_EQ(whole.cols_from(1, 2).data, data + 1);
}

struct BlockRow {
  const char* name;
  std::int64_t row, col, rows, cols;
  bool inside;
};
constexpr BlockRow block_rows[] = {{"all", 0, 0, 3, 5, true},
                                   {"empty_at_the_end", 3, 5, 0, 0, true},
                                   {"row_too_many", 1, 0, 3, 5, false},
                                   {"column_too_many", 0, 4, 1, 2, false},
                                   {"negative_start", -1, 0, 1, 1, false},
                                   {"negative_count", 0, 0, -1, 1, false},
                                   {"past_the_end", 4, 0, 0, 0, false},
                                   {"overflow", 1, 0, std::numeric_limits<std::int64_t>::max(), 1, false}};

TEST(Matrix, block_stays_inside) {
  double data[15] = {};
  for (const BlockRow& row : block_rows) {
    SCOPED_TRACE(row.name);
    const Matrix whole{data, DType::f64, 3, 5, 5};
    const ConstMatrix view = whole;
    if (row.inside) {
      EXPECT_NO_THROW(whole.block(row.row, row.col, row.rows, row.cols));
      EXPECT_NO_THROW(view.block(row.row, row.col, row.rows, row.cols));
    } else {
      EXPECT_THROW(whole.block(row.row, row.col, row.rows, row.cols), Error);
      EXPECT_THROW(view.block(row.row, row.col, row.rows, row.cols), Error);
    }
  }
}

TEST(DType, names_and_sizes) {
  EXPECT_EQ(name(DType::f32), "f32");
  EXPECT_EQ(name(DType::bf16), "bf16");
  EXPECT_EQ(name(DType::f16), "f16");
  EXPECT_EQ(name(DType::f64), "f64");
  EXPECT_EQ(size_in_bytes(DType::f64) + size_in_bytes(DType::f32) + size_in_bytes(DType::f16), 14u);
}

struct BFloatRow {
  float value;
  std::uint16_t bits;
};
constexpr BFloatRow bfloat_rows[] = {{1.0f, 0x3f80},        {-2.0f, 0xc000},   {1.00390625f, 0x3f80},
                                     {1.01171875f, 0x3f82}, {1.0040f, 0x3f81}, {3.4e38f, 0x7f80},
                                     {-0.0f, 0x8000},       {INFINITY, 0x7f80}};

TEST(BFloat16, rounds_to_nearest_even) {
  for (const BFloatRow& row : bfloat_rows) {
    EXPECT_EQ(to_bfloat16(row.value).bits, row.bits) << row.value;
  }
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_EQ(to_float(to_bfloat16(-1.5f)), -1.5f);
}

}  // namespace
}  // namespace cce
