#include "worker/tensor/cpu/cpu_gemm.h"

#include <omp.h>

#include <compare>
#include <map>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

/// All that a compiled primitive depends on.
struct ProductKey {
  std::int64_t rows, cols, depth;
  std::int64_t a_stride, b_stride, c_stride;
  DType a_dtype, c_dtype;
  bool a_transposed, b_transposed;
  float alpha, beta;
  auto operator<=>(const ProductKey&) const = default;
};

dnnl::memory::data_type data_type(DType dtype) {
  return dtype == DType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

dnnl::memory::desc descriptor(std::int64_t rows, std::int64_t cols, std::int64_t stride, bool transposed,
                              DType dtype) {
  const dnnl::memory::dims strides =
      transposed ? dnnl::memory::dims{1, stride} : dnnl::memory::dims{stride, 1};
  return {{rows, cols}, data_type(dtype), strides};
}

struct Product {
  dnnl::memory::desc a, b, c;
  dnnl::matmul primitive;
};

Product make_product(const ProductKey& key, const dnnl::engine& engine) {
  dnnl::primitive_attr attributes;
  if (key.alpha != 1.0f) {
    attributes.set_output_scales(0, {key.alpha});
  }
  if (key.beta != 0.0f) {
    dnnl::post_ops accumulate;
    accumulate.append_sum(key.beta);
    attributes.set_post_ops(accumulate);
  }
  Product product;
  product.a = descriptor(key.rows, key.depth, key.a_stride, key.a_transposed, key.a_dtype);
  product.b = descriptor(key.depth, key.cols, key.b_stride, key.b_transposed, key.a_dtype);
  product.c = descriptor(key.rows, key.cols, key.c_stride, false, key.c_dtype);
  product.primitive = dnnl::matmul({{product.a, product.b, product.c}, attributes, engine});
  return product;
}

}  // namespace

struct CpuGemm::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::map<ProductKey, Product> products;
};

CpuGemm::CpuGemm(int threads) : threads_(threads), state_(std::make_unique<State>()) {}
CpuGemm::~CpuGemm() = default;

void CpuGemm::multiply(ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b, Matrix c,
                       float alpha, float beta) {
  // Evaluation on texts of many lengths makes many shapes; recompiling a few beats keeping them all.
  constexpr std::size_t largest_cache = 256;
  omp_set_num_threads(threads_);
  const bool a_transposed = transpose_a == Transpose::yes, b_transposed = transpose_b == Transpose::yes;
  const ProductKey key{c.rows,       c.cols,   a_transposed ? a.rows : a.cols,
                       a.stride,     b.stride, c.stride,
                       a.dtype,      c.dtype,  a_transposed,
                       b_transposed, alpha,    beta};
  try {
    auto found = state_->products.find(key);
    if (found == state_->products.end()) {
      if (state_->products.size() >= largest_cache) {
        state_->products.clear();
      }
      found = state_->products.emplace(key, make_product(key, state_->engine)).first;
    }
    const Product& product = found->second;
    // oneDNN's handles are not const-qualified; it only reads the sources.
    const dnnl::memory a_memory(product.a, state_->engine, const_cast<void*>(a.data));
    const dnnl::memory b_memory(product.b, state_->engine, const_cast<void*>(b.data));
    const dnnl::memory c_memory(product.c, state_->engine, c.data);
    product.primitive.execute(
        state_->stream, {{DNNL_ARG_SRC, a_memory}, {DNNL_ARG_WEIGHTS, b_memory}, {DNNL_ARG_DST, c_memory}});
    state_->stream.wait();
  } catch (const dnnl::error& error) {
    const bool memory = error.status == dnnl_out_of_memory;
    throw Error{.code = memory ? ErrorCode::does_not_fit : ErrorCode::unsupported,
                .where = "multiply",
                .found = std::string("oneDNN: ") + error.what(),
                .expected = {},
                .remedy = memory ? "Use smaller micro-batches" : ""};
  }
}

}  // namespace cce
