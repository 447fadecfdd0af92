#include "tests/worker/fenced/fenced_backend.h"

#include <cstring>
#include <string>
#include <utility>

#include "common/base/error.h"

namespace cce {
namespace {

constexpr std::size_t most_bytes = std::size_t{4} << 30;

[[noreturn]] void refuse(const char* where, const char* found, const char* expected) {
  throw Error{.code = ErrorCode::invalid_argument,
              .where = where,
              .found = found,
              .expected = expected,
              .remedy = {}};
}

}  // namespace

FencedBackend::FencedBackend(int threads, DType kept_sum_dtype)
    : cpu_(make_cpu_backend(threads)), kept_sum_dtype_(kept_sum_dtype) {
  auto memory = std::make_unique<FencedMemory>();
  memory_ = memory.get();
  pool_ = std::make_shared<MemoryPool>("fenced memory", std::move(memory), most_bytes);
}

Buffer FencedBackend::allocate(std::size_t bytes) {
  if (bytes == 0) {
    return {};
  }
  void* const data = pool_->take(bytes);
  std::memset(memory_->open(data), 0xff, bytes);
  return {data, bytes, std::shared_ptr<void>(data, [pool = pool_](void* block) { pool->give_back(block); })};
}

Matrix FencedBackend::in(Matrix matrix) const {
  const ConstMatrix reached = in(ConstMatrix(matrix));
  return {const_cast<void*>(reached.data), matrix.dtype, matrix.rows, matrix.cols, matrix.stride};
}

ConstMatrix FencedBackend::in(ConstMatrix matrix) const {
  if (matrix.data == nullptr) {
    return matrix;
  }
  if (!memory_->holds(matrix.data)) {
    refuse("operation of a backend", "a matrix in host memory", "one in the backend's own");
  }
  matrix.data = memory_->open(matrix.data);
  return matrix;
}

void FencedBackend::expect_host(const char* copy, ConstMatrix matrix) const {
  if (memory_->holds(matrix.data)) {
    refuse(copy, "a matrix in the backend's memory", "one in host memory");
  }
}

void FencedBackend::upload(ConstMatrix host, Matrix device) {
  expect_host("upload", host);
  cpu_->upload(host, in(device));
}

void FencedBackend::start_upload(ConstMatrix host, Matrix device) {
  expect_host("start_upload", host);
  const Matrix target = in(device);
  for (std::int64_t row = 0; row < target.rows; ++row) {
    const std::size_t element = size_in_bytes(target.dtype);
    std::memset(target.as<std::byte>() + static_cast<std::size_t>(row * target.stride) * element, 0xff,
                static_cast<std::size_t>(target.cols) * element);
  }
  uploads_.push_back({host, device});
}

void FencedBackend::finish_uploads() {
  for (const Upload& upload : std::exchange(uploads_, {})) {
    FencedBackend::upload(upload.host, upload.device);
  }
}

void FencedBackend::download(ConstMatrix device, Matrix host) {
  expect_host("download", host);
  cpu_->download(in(device), host);
}

void FencedBackend::fill_zero(Matrix target) {
  cpu_->fill_zero(in(target));
}

void FencedBackend::convert(ConstMatrix source, Matrix target) {
  cpu_->convert(in(source), in(target));
}

void FencedBackend::multiply(ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b,
                             Matrix c, double alpha, double beta) {
  cpu_->multiply(in(a), transpose_a, in(b), transpose_b, in(c), alpha, beta);
}

void FencedBackend::gram(ConstMatrix features, Matrix gram) {
  cpu_->gram(in(features), in(gram));
}

void FencedBackend::add(ConstMatrix source, Matrix target, double alpha) {
  cpu_->add(in(source), in(target), alpha);
}

void FencedBackend::add_bias(ConstMatrix bias, Matrix x) {
  cpu_->add_bias(in(bias), in(x));
}

void FencedBackend::scale_rows(ConstMatrix source, ConstMatrix scale, Matrix target) {
  cpu_->scale_rows(in(source), in(scale), in(target));
}

void FencedBackend::row_squared_norms(ConstMatrix x, Matrix out) {
  cpu_->row_squared_norms(in(x), in(out));
}

void FencedBackend::column_sums(ConstMatrix x, ConstMatrix weight, Matrix out) {
  cpu_->column_sums(in(x), in(weight), in(out));
}

void FencedBackend::gather(ConstMatrix source, std::span<const std::int32_t> rows,
                           std::span<const std::int32_t> cols, Matrix target) {
  cpu_->gather(in(source), rows, cols, in(target));
}

void FencedBackend::scatter(ConstMatrix source, std::span<const std::int32_t> rows,
                            std::span<const std::int32_t> cols, Matrix target) {
  cpu_->scatter(in(source), rows, cols, in(target));
}

void FencedBackend::transpose(ConstMatrix source, Matrix target) {
  cpu_->transpose(in(source), in(target));
}

void FencedBackend::embed(std::span<const std::int32_t> ids, ConstMatrix table, Matrix out) {
  cpu_->embed(ids, in(table), in(out));
}

void FencedBackend::rms_norm(ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) {
  cpu_->rms_norm(in(x), in(gain), epsilon, in(out));
}

void FencedBackend::rms_norm_backward(ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                                      Matrix d_x) {
  cpu_->rms_norm_backward(in(d_out), in(x), in(gain), epsilon, in(d_x));
}

void FencedBackend::rope(Matrix x, const RopeTable& table, std::int64_t kv_groups,
                         std::int64_t heads_per_group, std::int64_t length, std::int64_t first_position,
                         bool inverse) {
  cpu_->rope(in(x), {in(table.cos), in(table.sin)}, kv_groups, heads_per_group, length, first_position,
             inverse);
}

void FencedBackend::attention_forward(const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                                      ConstMatrix v, Matrix out, Matrix log_sum_exp) {
  cpu_->attention_forward(shape, in(q), in(k), in(v), in(out), in(log_sum_exp));
}

void FencedBackend::attention_backward(const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                                       ConstMatrix v, ConstMatrix out, ConstMatrix log_sum_exp,
                                       ConstMatrix d_out, Matrix d_q, Matrix d_k, Matrix d_v) {
  cpu_->attention_backward(shape, in(q), in(k), in(v), in(out), in(log_sum_exp), in(d_out), in(d_q), in(d_k),
                           in(d_v));
}

void FencedBackend::attention_variance(const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                                       ConstMatrix log_sum_exp, std::int64_t first_query, Matrix variance) {
  cpu_->attention_variance(shape, in(q), in(k), in(log_sum_exp), first_query, in(variance));
}

void FencedBackend::swiglu(ConstMatrix gate, ConstMatrix up, Matrix out) {
  cpu_->swiglu(in(gate), in(up), in(out));
}

void FencedBackend::swiglu_backward(ConstMatrix d_out, ConstMatrix gate, ConstMatrix up, Matrix d_gate,
                                    Matrix d_up) {
  cpu_->swiglu_backward(in(d_out), in(gate), in(up), in(d_gate), in(d_up));
}

void FencedBackend::output_losses(ConstMatrix hidden, ConstMatrix head, std::span<const std::int32_t> labels,
                                  Matrix losses) {
  cpu_->output_losses(in(hidden), in(head), labels, in(losses));
}

void FencedBackend::output_gradient(ConstMatrix hidden, ConstMatrix head, std::span<std::int32_t> labels,
                                    std::span<const float> uniforms, Matrix losses, Matrix d_hidden) {
  cpu_->output_gradient(in(hidden), in(head), labels, uniforms, in(losses), in(d_hidden));
}

void FencedBackend::output_divergence(ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                                      ConstMatrix teacher_head, double scale, Matrix divergence,
                                      Matrix d_hidden) {
  cpu_->output_divergence(in(hidden), in(head), in(teacher), in(teacher_head), scale, in(divergence),
                          in(d_hidden));
}

void FencedBackend::add_inner_product(ConstMatrix a, ConstMatrix b, Matrix sum) {
  cpu_->add_inner_product(in(a), in(b), in(sum));
}

void FencedBackend::rms_norm_gain_gradient(ConstMatrix d_out, ConstMatrix x, double epsilon, Matrix d_gain) {
  cpu_->rms_norm_gain_gradient(in(d_out), in(x), epsilon, in(d_gain));
}

void FencedBackend::relative_error(ConstMatrix x, ConstMatrix target, double scale, Matrix losses,
                                   Matrix gradient) {
  cpu_->relative_error(in(x), in(target), scale, in(losses), in(gradient));
}

void FencedBackend::adamw(const AdamWStep& step, ConstMatrix gradient, Matrix weights, Matrix m, Matrix v,
                          Matrix copy) {
  cpu_->adamw(step, in(gradient), in(weights), in(m), in(v), in(copy));
}

std::optional<std::int64_t> FencedBackend::cholesky(Matrix a) {
  return cpu_->cholesky(in(a));
}

void FencedBackend::cholesky_solve(ConstMatrix factor, Matrix right_side) {
  cpu_->cholesky_solve(in(factor), in(right_side));
}

void FencedBackend::cholesky_inverse(Matrix factor) {
  cpu_->cholesky_inverse(in(factor));
}

void FencedBackend::triangular_solve(ConstMatrix lower, Transpose transpose, Matrix right_side) {
  cpu_->triangular_solve(in(lower), transpose, in(right_side));
}

void FencedBackend::eigen_symmetric(Matrix a, Matrix values) {
  cpu_->eigen_symmetric(in(a), in(values));
}

void FencedBackend::eigenvalues_symmetric(Matrix a, Matrix values) {
  cpu_->eigenvalues_symmetric(in(a), in(values));
}

void FencedBackend::singular_values(Matrix a, Matrix u, Matrix values, Matrix v_transposed) {
  cpu_->singular_values(in(a), in(u), in(values), in(v_transposed));
}

void FencedBackend::qr(Matrix a, Matrix r) {
  cpu_->qr(in(a), in(r));
}

}  // namespace cce
