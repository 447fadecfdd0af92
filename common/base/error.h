#pragma once
#include <string>
#include <string_view>

namespace cce {

/// What went wrong, stable across versions; the README's error table lists them in this order.
enum class ErrorCode {
  invalid_argument,        ///< a caller broke a precondition: a bug, not a user's mistake
  unknown_key,             ///< a recipe or config key that nothing reads
  wrong_type,              ///< a value of another JSON/YAML type than expected
  out_of_range,            ///< a value outside what is allowed
  impossible_combination,  ///< valid values that exclude each other (structures × format × architecture)
  malformed_file,          ///< bytes that break their own format
  missing_file,            ///< a file or shard that should be there
  missing_tensor,          ///< a tensor the architecture needs and the checkpoint lacks
  shape_mismatch,          ///< a tensor or matrix of another shape than expected
  unsupported,             ///< valid, but not something this version handles
  text_too_short,          ///< less text than one window
  unreachable_target,      ///< no choice of structures meets the target
  does_not_fit,            ///< more memory than the machine or the limit has
  disk_full,               ///< no space left on the device
  io_failure,              ///< any other failed read or write
  digest_mismatch,         ///< a file that is not the one the job was made for
  not_positive_definite,   ///< a Cholesky factorisation met a pivot ≤ 0
  not_converged,           ///< an iterative solver gave up
  job_locked,              ///< another attempt owns the job directory
  worker_died,             ///< a rank ended without saying why
  deadline_exceeded,       ///< a wait ran past its deadline
  cancelled,               ///< the user asked to stop
  verification_failed,     ///< the exported checkpoint does not compute what the in-memory model does
  guard_violated,          ///< a failure signature passed its limit and guard.mode is stop
  device_failure,          ///< the GPU or one of its libraries reported a failure
};

/// The one error of this project. Thrown by value, caught by const reference; becomes an exit code, an HTTP
/// status or an event only at the edges.
struct Error {
  ErrorCode code = ErrorCode::invalid_argument;
  std::string where;     ///< the place as the user knows it: key path, file and tensor, layer and block
  std::string found;     ///< what was there
  std::string expected;  ///< what is allowed
  std::string remedy;    ///< what to do next
};

/// The snake_case name of a code, as written in events and JSON.
std::string_view error_name(ErrorCode code);

/// One paragraph for people: "CODE at WHERE: found FOUND, expected EXPECTED. REMEDY". Empty parts are left
/// out.
std::string describe(const Error& error);

/// The process exit code (docs/errors.md): 1 internal, 2 bad input or unreachable target, 3 memory or disk
/// does not fit, 4 a worker died, 5 cancelled.
int exit_code(ErrorCode code);

}  // namespace cce
