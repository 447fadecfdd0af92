#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>

#include "tests/common/error_matcher.h"
#include "tests/worker/model/random_layer.h"
#include "worker/model/element_conversion.h"
#include "worker/model/host_layer.h"

namespace cce {
namespace {

LayerShape full_shape() {
  LayerShape shape = attention_shape_of(2, 2, 6, 3);
  shape.has_ffn = true;
  shape.ffn_width = 11;
  shape.q_bias = shape.o_bias = shape.up_bias = shape.k_norm = true;
  return shape;
}

std::vector<std::byte> aligned_block(std::size_t bytes) {
  return std::vector<std::byte>(bytes + 64);
}
std::span<std::byte> aligned(std::vector<std::byte>& storage, std::size_t bytes) {
  void* start = storage.data();
  std::size_t space = storage.size();
  return {static_cast<std::byte*>(std::align(64, bytes, start, space)), bytes};
}

TEST(PackedLayer, holds_every_part_aligned_and_none_that_the_shape_lacks) {
  const LayerShape shape = full_shape();
  const std::size_t bytes = packed_layer_bytes(shape, 10, DType::bf16);
  std::vector<std::byte> storage = aligned_block(bytes);
  const LayerWeightsMutable weights = writable_packed_layer(shape, 10, DType::bf16, aligned(storage, bytes));
  LayerWeightsMutable copy = weights;
  for (const TensorRole role : layer_roles()) {
    const PartSize size = part_size(shape, 10, role);
    const Matrix& view = part_view(copy, role);
    EXPECT_EQ(view.rows * view.cols, size.elements()) << role_name(role);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.data) % 64, 0u) << role_name(role);
  }
  EXPECT_EQ(weights.q.rows, 4 * 6);
  EXPECT_EQ(weights.o.cols, 4 * 3);
  EXPECT_EQ(weights.q.dtype, DType::bf16);
  EXPECT_EQ(weights.q_bias.dtype, DType::f32);
  EXPECT_TRUE(weights.k_bias.empty());
}

TEST(PackedLayer, comes_back_from_f32_unchanged_and_from_bf16_rounded) {
  const LayerShape shape = full_shape();
  const HostLayer layer = random_layer(shape, 10, 7);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const std::size_t bytes = packed_layer_bytes(shape, 10, dtype);
    std::vector<std::byte> storage = aligned_block(bytes);
    const std::span<std::byte> block = aligned(storage, bytes);
    pack_host_layer(layer, 10, dtype, block);
    const HostLayer back =
        to_host_layer(view_packed_layer(shape, 10, dtype, std::span<const std::byte>(block)));
    for (const TensorRole role : layer_roles()) {
      HostMatrix expected = part_view(layer, role);
      if (dtype == DType::bf16 && part_size(shape, 10, role).is_matrix) {
        for (float& value : expected.values) value = to_float(to_bfloat16(value));
      }
      EXPECT_EQ(part_view(back, role).values, expected.values) << role_name(role);
    }
  }
}

TEST(PackedLayer, refuses_a_block_that_is_too_small_and_another_dtype) {
  std::vector<std::byte> block(16);
  expect_error([&] { writable_packed_layer(full_shape(), 10, DType::f32, block); }, ErrorCode::shape_mismatch,
               "16 bytes");
  expect_error([&] { packed_layer_bytes(full_shape(), 10, DType::f16); }, ErrorCode::unsupported,
               "f32 or bf16");
}

TEST(HostLayer, a_part_that_contradicts_the_shape_is_named) {
  HostLayer layer = random_layer(full_shape(), 10, 7);
  layer.shape.ffn_width = 12;
  expect_error([&] { view_host_layer(layer, 10); }, ErrorCode::shape_mismatch, "gate");
}

TEST(Half, every_value_survives_the_way_through_f32) {
  for (std::uint32_t bits = 0; bits <= 0xffffu; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const bool is_nan = (bits & 0x7c00u) == 0x7c00u && (bits & 0x3ffu) != 0;
    if (is_nan) {
      EXPECT_TRUE(std::isnan(half_to_float(half)));
      EXPECT_TRUE(std::isnan(half_to_float(float_to_half(half_to_float(half)))));
    } else {
      ASSERT_EQ(float_to_half(half_to_float(half)), half) << bits;
    }
  }
}

TEST(Half, rounds_to_nearest_even_between_neighbours) {
  for (std::uint32_t bits = 0; bits < 0x7bffu; ++bits) {
    const float low = half_to_float(static_cast<std::uint16_t>(bits));
    const float high = half_to_float(static_cast<std::uint16_t>(bits + 1));
    const float middle = low + (high - low) / 2;  // exact: one more bit than a half has
    const auto even = static_cast<std::uint16_t>((bits & 1u) == 0 ? bits : bits + 1);
    ASSERT_EQ(float_to_half(middle), even) << bits;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 0.0f)), bits);
    ASSERT_EQ(float_to_half(std::nextafter(middle, 1e9f)), bits + 1);
    ASSERT_EQ(float_to_half(-middle), even | 0x8000u);
  }
  EXPECT_EQ(float_to_half(65519.99f), 0x7bffu);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00u);
  EXPECT_EQ(float_to_half(1e30f), 0x7c00u);
}

TEST(ElementConversion, works_on_unaligned_bytes_and_long_runs) {
  constexpr std::size_t count = 5001;
  const HostMatrix values = random_matrix(1, count, 5);
  std::vector<std::byte> halves(2 * count + 1), floats(4 * count + 1);
  const std::span<std::byte> half_bytes(halves.data() + 1, 2 * count),
      float_bytes(floats.data() + 1, 4 * count);
  convert_elements(std::as_bytes(std::span(values.values)), DType::f32, half_bytes, DType::bf16);
  convert_elements(half_bytes, DType::bf16, float_bytes, DType::f32);
  for (std::size_t i = 0; i < count; ++i) {
    float found = 0.0f;
    std::memcpy(&found, float_bytes.data() + 4 * i, 4);
    ASSERT_EQ(found, to_float(to_bfloat16(values.values[i])));
  }
  expect_error([&] { convert_elements(half_bytes, DType::bf16, half_bytes, DType::f32); },
               ErrorCode::shape_mismatch, "elements");
}

}  // namespace
}  // namespace cce
