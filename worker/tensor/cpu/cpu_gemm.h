#pragma once
#include <memory>

#include "worker/tensor/backend.h"

namespace cce {

/// Products of f32 and bf16 matrices through oneDNN, which picks AMX, AVX-512 or AVX2 by itself. Keeps a
/// primitive for every shape seen. One thread at a time.
class CpuGemm {
 public:
  explicit CpuGemm(int threads);
  ~CpuGemm();

  /// C ← α op(A) op(B) + β C; shapes and dtypes checked by the caller, no dimension 0.
  void multiply(ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b, Matrix c,
                float alpha, float beta);

 private:
  struct State;
  int threads_;
  std::unique_ptr<State> state_;
};

}  // namespace cce
