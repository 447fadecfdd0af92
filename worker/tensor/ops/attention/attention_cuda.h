#pragma once
#include <string>

#include "common/base/error.h"
#include "worker/tensor/cuda/kernels/launch_shape.h"
#include "worker/tensor/ops/attention/attention_backward.cuh"
#include "worker/tensor/ops/attention/attention_forward.cuh"
#include "worker/tensor/ops/attention/attention_ops.h"
#include "worker/tensor/ops/training/training_kernels.cuh"

/// Attention, as attention_ops.h defines it.
namespace cce::cuda_kernels {

/// The sizes with the largest tiles whose shared memory, bytes_of(sizes), a block may have. Errors:
/// unsupported if no tiles fit, or for more heads or sequences than a grid has blocks.
template <typename Device, typename BytesOf>
AttentionSizes attention_sizes(const Device& device, const char* operation, const AttentionShape& shape,
                               BytesOf bytes_of) {
  AttentionSizes sizes{.query_length = shape.query_length,
                       .key_length = shape.key_length,
                       .kv_groups = shape.kv_groups,
                       .queries_per_group = shape.queries_per_group,
                       .window = shape.window.value_or(shape.key_length),
                       .qk_dim = static_cast<int>(shape.qk_dim),
                       .vo_dim = static_cast<int>(shape.vo_dim),
                       .scale = static_cast<float>(shape.scale),
                       .query_tile = 0,
                       .key_tile = 0};
  if (sizes.heads() > largest_y_or_z || shape.sequences > largest_y_or_z) {
    throw Error{
        .code = ErrorCode::unsupported,
        .where = std::string(operation) + ", shape",
        .found = std::to_string(sizes.heads()) + " heads, " + std::to_string(shape.sequences) + " sequences",
        .expected = "at most " + std::to_string(largest_y_or_z) + " of each on a GPU",
        .remedy = "Use smaller micro-batches"};
  }
  const struct { int query_tile, key_tile; } choices[] = {{64, 64}, {32, 64}, {32, 32}, {16, 32}, {16, 16}};
  for (const auto& [query_tile, key_tile] : choices) {
    sizes.query_tile = query_tile;
    sizes.key_tile = key_tile;
    if (bytes_of(sizes) <= device.shared_limit_bytes()) {
      return sizes;
    }
  }
  throw Error{.code = ErrorCode::unsupported,
              .where = std::string(operation) + ", shape",
              .found = "heads of " + std::to_string(shape.qk_dim) + " and " + std::to_string(shape.vo_dim) +
                       " dimensions",
              .expected = "heads whose smallest tiles fit " + std::to_string(device.shared_limit_bytes()) +
                          " bytes of shared memory",
              .remedy = "Run on the CPU"};
}

template <typename T>
Rows<T> rows_of(const Matrix& matrix) {
  return {static_cast<T*>(matrix.data), matrix.stride};
}
template <typename T>
Rows<const T> rows_of(const ConstMatrix& matrix) {
  return {static_cast<const T*>(matrix.data), matrix.stride};
}

/// Blocks of queries as QueryBlock reads them.
inline KernelShape query_blocks(const AttentionShape& shape, const AttentionSizes& sizes, std::size_t bytes) {
  return {extent(divide_up(shape.query_length, sizes.query_tile), shape.query_heads(), shape.sequences),
          extent(attention_threads), bytes};
}

template <typename Device>
void attention_forward(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                       ConstMatrix v, Matrix out, Matrix log_sum_exp) {
  const Device device(backend, "attention_forward");
  if (shape.sequences == 0) {
    return;
  }
  with_activation_type(q.dtype, [&]<typename E>(E*) {
    const auto bytes_of = [](const AttentionSizes& sizes) { return ForwardMemory<E>(sizes, nullptr).bytes; };
    const AttentionSizes sizes = attention_sizes(device, "attention_forward", shape, bytes_of);
    device.launch(query_blocks(shape, sizes, bytes_of(sizes)), attention_forward_tiles<E>,
                  ForwardArguments<E>{sizes, rows_of<E>(q), rows_of<E>(k), rows_of<E>(v), rows_of<E>(out),
                                      log_sum_exp.empty() ? Rows<float>{} : rows_of<float>(log_sum_exp)});
  });
}

template <typename E, typename G, typename Device>
void attention_backward_typed(const Device& device, const AttentionShape& shape,
                              BackwardArguments<E, G> arguments) {
  for (const bool by_keys : {true, false}) {
    const auto bytes_of = [&](const AttentionSizes& sizes) {
      return BackwardMemory<E>(sizes, by_keys, nullptr).bytes;
    };
    const AttentionSizes sizes = attention_sizes(device, "attention_backward", shape, bytes_of);
    arguments.sizes = sizes;
    if (by_keys) {
      const dim3 blocks =
          extent(divide_up(shape.key_length, sizes.key_tile), shape.kv_groups, shape.sequences);
      device.launch({blocks, extent(attention_threads), bytes_of(sizes)}, attention_backward_by_keys<E, G>,
                    arguments);
    } else {
      device.launch(query_blocks(shape, sizes, bytes_of(sizes)), attention_backward_by_queries<E, G>,
                    arguments);
    }
  }
}

template <typename Device>
void attention_backward(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                        ConstMatrix v, ConstMatrix out, ConstMatrix log_sum_exp, ConstMatrix d_out,
                        Matrix d_q, Matrix d_k, Matrix d_v) {
  const Device device(backend, "attention_backward");
  if (shape.sequences == 0) {
    return;
  }
  const std::int64_t heads = shape.query_heads(), jobs = q.rows * heads;
  const Scratch<float> products(device.backend(), jobs);
  with_activation_type(q.dtype, [&]<typename E>(E*) {
    device.launch({extent(divide_up(jobs, block_threads / warp_threads)), extent(block_threads), 0},
                  attention_products<E>, rows_of<E>(out), rows_of<E>(d_out), q.rows, heads,
                  static_cast<int>(shape.vo_dim), Rows<float>{products.data(), heads});
    with_activation_type(d_q.dtype, [&]<typename G>(G*) {
      if constexpr (std::is_same_v<G, float> || std::is_same_v<G, E>) {  // what the check lets through
        attention_backward_typed<E, G>(device, shape,
                                       {{},
                                        rows_of<E>(q),
                                        rows_of<E>(k),
                                        rows_of<E>(v),
                                        rows_of<E>(d_out),
                                        rows_of<float>(log_sum_exp),
                                        {products.data(), heads},
                                        rows_of<G>(d_q),
                                        rows_of<G>(d_k),
                                        rows_of<G>(d_v)});
      }
    });
  });
}

template <typename Device>
void attention_variance(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                        ConstMatrix log_sum_exp, std::int64_t first_query, Matrix variance) {
  const Device device(backend, "attention_variance");
  if (shape.sequences == 0) {
    return;
  }
  with_activation_type(q.dtype, [&]<typename E>(E*) {
    const auto bytes_of = [](const AttentionSizes& sizes) { return VarianceMemory<E>(sizes, nullptr).bytes; };
    const AttentionSizes sizes = attention_sizes(device, "attention_variance", shape, bytes_of);
    const std::int64_t parts = divide_up(shape.query_length, sizes.query_tile) * shape.sequences;
    const Scratch<double> partial(device.backend(), parts * sizes.heads());
    device.launch(query_blocks(shape, sizes, bytes_of(sizes)), attention_variance_tiles<E>,
                  VarianceArguments<E>{sizes, rows_of<E>(q), rows_of<E>(k), rows_of<float>(log_sum_exp),
                                       first_query, partial.data()});
    device.launch({extent(sizes.heads()), extent(block_threads), reduction_bytes}, add_partial_sums<>,
                  partial.data(), parts, variance.as<double>());
  });
}

template <typename Device>
constexpr AttentionOps attention_ops() {
  return {.attention_forward = attention_forward<Device>,
          .attention_backward = attention_backward<Device>,
          .attention_variance = attention_variance<Device>};
}

}  // namespace cce::cuda_kernels
