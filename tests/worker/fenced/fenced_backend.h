#pragma once
#include <memory>
#include <vector>

#include "tests/worker/fenced/fenced_memory.h"
#include "worker/tensor/backend.h"
#include "worker/tensor/ops/blocks/block_ops.h"

namespace cce {

/// The CPU backend with memory that only its own operations can reach, as a GPU's would be. Host code that
/// reads a matrix of it is killed by a segmentation fault; an operation that is given the host's memory, or a
/// copy that is given the wrong kind on either side, throws invalid_argument. New memory holds NaN in every
/// dtype, and so does memory that an upload is started to, until it is finished: then alone it is copied.
class FencedBackend : public Backend {
 public:
  explicit FencedBackend(int threads, DType kept_sum_dtype = DType::f64);

  std::string_view device() const override { return "fenced cpu"; }
  bool host_memory() const override { return false; }
  bool has_fast_bf16() const override { return cpu_->has_fast_bf16(); }
  DType kept_sum_dtype() const override { return kept_sum_dtype_; }
  std::optional<std::size_t> limit_bytes() const override { return pool_->limit_bytes(); }

  Buffer allocate(std::size_t bytes) override;
  void upload(ConstMatrix host, Matrix device) override;
  void download(ConstMatrix device, Matrix host) override;
  Buffer allocate_host(std::size_t bytes) override { return cpu_->allocate(bytes); }
  void start_upload(ConstMatrix host, Matrix device) override;
  void finish_uploads() override;
  std::size_t uploads_under_way() const { return uploads_.size(); }
  void synchronize() override {}
  void fill_zero(Matrix target) override;
  /// The CPU's operations behind the fence.
  const OpTable& ops() const override;

  /// What its operations' operands took; not what the CPU's operations take for themselves.
  const MemoryPool::Use& use() const { return pool_->use(); }
  Backend& inner() { return *cpu_; }
  /// An operand of an operation where the CPU backend reaches it; what is no matrix as it is. Errors: invalid_argument.
  Matrix in(Matrix matrix) const;
  ConstMatrix in(ConstMatrix matrix) const;
  RopeTable in(const RopeTable& table) const { return {in(table.cos), in(table.sin)}; }
  template <typename Plain>
  const Plain& in(const Plain& value) const {
    return value;
  }

 private:
  /// Errors: invalid_argument unless the matrix is the host's.
  void expect_host(const char* copy, ConstMatrix matrix) const;

  struct Upload {
    ConstMatrix host;
    Matrix device;
  };

  std::unique_ptr<Backend> cpu_;
  DType kept_sum_dtype_;
  std::vector<Upload> uploads_;
  const FencedMemory* memory_;        ///< the pool's
  std::shared_ptr<MemoryPool> pool_;  ///< shared with Buffers, which may outlive the backend
};

}  // namespace cce
