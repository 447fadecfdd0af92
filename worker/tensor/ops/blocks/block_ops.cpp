#include "worker/tensor/ops/blocks/block_ops.h"

#include <algorithm>
#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

void check_embed(std::span<const std::int32_t> ids, const ConstMatrix& table, const ConstMatrix& out) {
  check_activations("embed", {{"table", table}}, table.rows, table.cols);
  check_single("embed", "out", out, std::ssize(ids), table.cols);
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= table.rows) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = "embed, ids",
                  .found = std::to_string(id),
                  .expected = "below the vocabulary of " + std::to_string(table.rows),
                  .remedy = "Use the tokenizer of this model"};
    }
  }
}

void check_rope(const ConstMatrix& x, const RopeTable& table, std::int64_t kv_groups,
                std::int64_t heads_per_group, std::int64_t length, std::int64_t first_position) {
  check_activation("rope", "x", x);
  check_dtype("rope", "table.cos", table.cos, {DType::f32});
  check_dtype("rope", "table.sin", table.sin, {DType::f32});
  if (kv_groups < 1 || heads_per_group < 1 || length < 1 || first_position < 0) {
    refuse_shape("rope", "sizes",
                 std::to_string(kv_groups) + " groups, " + std::to_string(heads_per_group) +
                     " heads per group, length " + std::to_string(length) + ", first position " +
                     std::to_string(first_position),
                 "positive counts, a position of at least 0");
  }
  const std::int64_t angles = table.cos.cols;
  if (angles % kv_groups != 0) {
    refuse_shape("rope", "table.cos", std::to_string(table.cos.rows) + " x " + std::to_string(angles),
                 "as many columns for each of " + std::to_string(kv_groups) + " groups");
  }
  check_shape("rope", "table.cos", table.cos, table.cos.rows, angles);
  check_shape("rope", "table.sin", table.sin, table.cos.rows, angles);
  check_shape("rope", "x", x, x.rows, 2 * angles * heads_per_group);
  const std::int64_t positions = first_position + std::min(length, x.rows);
  if (x.rows > 0 && positions > table.cos.rows) {
    refuse_shape("rope", "table", std::to_string(table.cos.rows) + " positions",
                 "at least " + std::to_string(positions));
  }
}

}  // namespace

namespace ops {

void embed(Backend& backend, std::span<const std::int32_t> ids, ConstMatrix table, float scale, Matrix out) {
  check_embed(ids, table, out);
  backend.ops().blocks->embed(backend, ids, table, scale, out);
}

void rms_norm(Backend& backend, ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) {
  check_single("rms_norm", "x", x, x.rows, x.cols);
  check_single("rms_norm", "gain", gain, 1, x.cols);
  check_activations("rms_norm", {{"out", out}}, x.rows, x.cols);
  backend.ops().blocks->rms_norm(backend, x, gain, epsilon, out);
}

void rms_norm_backward(Backend& backend, ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                       Matrix d_x) {
  const char* operation = "rms_norm_backward";
  check_single(operation, "x", x, x.rows, x.cols);
  check_single(operation, "d_out", d_out, x.rows, x.cols);
  check_single(operation, "gain", gain, 1, x.cols);
  check_single(operation, "d_x", d_x, x.rows, x.cols);
  backend.ops().blocks->rms_norm_backward(backend, d_out, x, gain, epsilon, d_x);
}

void rope(Backend& backend, Matrix x, const RopeTable& table, std::int64_t kv_groups,
          std::int64_t heads_per_group, std::int64_t length, std::int64_t first_position, bool inverse) {
  check_rope(x, table, kv_groups, heads_per_group, length, first_position);
  backend.ops().blocks->rope(backend, x, table, kv_groups, heads_per_group, length, first_position, inverse);
}

void gated_units(Backend& backend, Activation activation, ConstMatrix gate, ConstMatrix up, Matrix out) {
  check_activations("gated_units", {{"gate", gate}, {"up", up}, {"out", out}}, gate.rows, gate.cols);
  backend.ops().blocks->gated_units(backend, activation, gate, up, out);
}

void gated_units_backward(Backend& backend, Activation activation, ConstMatrix d_out, ConstMatrix gate,
                          ConstMatrix up, Matrix d_gate, Matrix d_up) {
  check_activations("gated_units_backward",
                    {{"d_out", d_out}, {"gate", gate}, {"up", up}, {"d_gate", d_gate}, {"d_up", d_up}},
                    gate.rows, gate.cols);
  backend.ops().blocks->gated_units_backward(backend, activation, d_out, gate, up, d_gate, d_up);
}

}  // namespace ops
}  // namespace cce
