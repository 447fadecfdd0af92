#include "tests/worker/fenced/fenced_backend.h"

#include <cstring>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "worker/tensor/ops.h"

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

namespace {

/// An entry of the fence's tables: the CPU backend's own, its operands brought within reach.
template <auto entry>
struct Fenced;
template <typename Group, typename Result, typename... Arguments,
          Result (*Group::*entry)(Backend&, Arguments...)>
struct Fenced<entry> {
  static Result call(Backend& backend, Arguments... arguments) {
    auto& fenced = static_cast<FencedBackend&>(backend);
    return (op_group<Group>(fenced.inner().ops()).*entry)(fenced.inner(), fenced.in(arguments)...);
  }
};

constexpr ProductOps products = wrapped_product_ops<Fenced>();
constexpr RowOps rows = wrapped_row_ops<Fenced>();
constexpr SelectionOps selections = wrapped_selection_ops<Fenced>();
constexpr BlockOps blocks = wrapped_block_ops<Fenced>();
constexpr AttentionOps attention = wrapped_attention_ops<Fenced>();
constexpr OutputOps output = wrapped_output_ops<Fenced>();
constexpr TrainingOps training = wrapped_training_ops<Fenced>();
constexpr SolverOps solvers = wrapped_solver_ops<Fenced>();

}  // namespace

const OpTable& FencedBackend::ops() const {
  static constexpr OpTable table{.products = &products,
                                 .rows = &rows,
                                 .selections = &selections,
                                 .blocks = &blocks,
                                 .attention = &attention,
                                 .output = &output,
                                 .training = &training,
                                 .solvers = &solvers};
  return table;
}

}  // namespace cce
