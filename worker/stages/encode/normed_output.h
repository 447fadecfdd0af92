#pragma once
#include <cstdint>

#include "worker/tensor/backend.h"

namespace cce {

/// Where a family norms what a sub-block adds, stream ← stream + gain ⊙ u / rms(u), the refit works on u, before the norm
/// (docs/method.md 3.4). This carries errors of the stream there: with r_t = rms(u_t) of the dense sub-block, an error e_t
/// asks of u
///     δu_t = r_t (e_t ⊙ c),   c_j = gain_j / (gain_j² + δ mean gain²),   δ = 10⁻²
/// which is the norm's inverse where the gain is not small and bounded where it is; the norm's own dependence on the
/// length of u is left out. Owns r of this rank's tokens; one thread.
class NormedOutput {
 public:
  NormedOutput(Backend& backend, std::int64_t tokens, std::int64_t hidden_size);

  /// Of one sub-block: its gain (f32, 1 × d), or nothing where it is added as it is.
  void start(ConstMatrix gain);
  bool is_there() const { return is_there_; }

  /// Keeps r of the tokens [first_token, first_token + output.rows) from the dense u, f32.
  void take(std::int64_t first_token, ConstMatrix output);
  /// target ← target + δu of `error`, which is overwritten; f32, tokens × d each.
  void add_wanted(std::int64_t first_token, Matrix error, Matrix target);
  /// error ← δu of it.
  void carry(std::int64_t first_token, Matrix error);
  /// weights ← weights / r, f32 1 × tokens; 0 where r is 0. An error of u changes the stream by 1 / r of it.
  void divide_by_length(std::int64_t first_token, Matrix weights);

 private:
  Backend& backend_;
  std::int64_t tokens_, hidden_;
  bool is_there_ = false;
  OwnedMatrix lengths_;  ///< r, 1 × tokens
  OwnedMatrix spread_;   ///< diag(c), d × d
  OwnedMatrix carried_;  ///< of one micro-batch
};

}  // namespace cce
