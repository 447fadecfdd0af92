#include "worker/passes/layer_store.h"

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/worker/model/random_layer.h"

namespace cce {
namespace {

LayerShape full_shape() {
  LayerShape shape = attention_shape_of(2, 2, 6, 4);
  shape.has_ffn = true;
  shape.ffn_width = 10;
  shape.o_bias = shape.down_bias = shape.q_bias = true;
  shape.rope_pairs = {0, 1, 3, 0, 2, 3};
  return shape;
}

TEST(LayerStore, a_layer_reads_back_to_the_same_bits) {
  const TemporaryFolder folder;
  PosixFileSystem files;
  const HostLayer written = random_layer(full_shape(), 12, 3);
  write_layer(files, folder / "layer.f32", written, 12);
  const HostLayer read = read_layer(files, folder / "layer.f32", full_shape(), 12);
  EXPECT_EQ(read.shape, written.shape);
  for (const TensorRole part : layer_roles()) {
    EXPECT_EQ(part_view(read, part).values, part_view(written, part).values);
  }
}

TEST(LayerStore, matrices_read_back_and_may_be_empty) {
  const TemporaryFolder folder;
  PosixFileSystem files;
  const HostMatrix written = random_matrix(3, 5, 4);
  write_matrix(files, folder / "matrix.f32", written);
  EXPECT_EQ(read_matrix(files, folder / "matrix.f32", 3, 5).values, written.values);
  write_matrix(files, folder / "empty.f32", HostMatrix());
  EXPECT_TRUE(read_matrix(files, folder / "empty.f32", 0, 0).empty());
}

TEST(LayerStore, files_of_another_shape_are_refused) {
  const TemporaryFolder folder;
  PosixFileSystem files;
  write_layer(files, folder / "layer.f32", random_layer(full_shape(), 12, 3), 12);
  LayerShape narrower = full_shape();
  narrower.ffn_width = 8;
  expect_error([&] { read_layer(files, folder / "layer.f32", narrower, 12); }, ErrorCode::malformed_file,
               "layer.f32");
  expect_error([&] { read_matrix(files, folder / "none.f32", 1, 1); }, ErrorCode::missing_file, "none.f32");
}

TEST(LayerStore, state_names_sort_by_layer) {
  EXPECT_EQ(layer_state_name("encode", 7), "encode.layer-007");
  EXPECT_LT(layer_state_name("encode", 99), layer_state_name("encode", 100));
}

}  // namespace
}  // namespace cce
