#include "common/base/error.h"

namespace cce {

std::string_view error_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::unknown_key:
      return "unknown_key";
    case ErrorCode::wrong_type:
      return "wrong_type";
    case ErrorCode::out_of_range:
      return "out_of_range";
    case ErrorCode::impossible_combination:
      return "impossible_combination";
    case ErrorCode::malformed_file:
      return "malformed_file";
    case ErrorCode::missing_file:
      return "missing_file";
    case ErrorCode::missing_tensor:
      return "missing_tensor";
    case ErrorCode::shape_mismatch:
      return "shape_mismatch";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::text_too_short:
      return "text_too_short";
    case ErrorCode::unreachable_target:
      return "unreachable_target";
    case ErrorCode::does_not_fit:
      return "does_not_fit";
    case ErrorCode::disk_full:
      return "disk_full";
    case ErrorCode::io_failure:
      return "io_failure";
    case ErrorCode::digest_mismatch:
      return "digest_mismatch";
    case ErrorCode::not_positive_definite:
      return "not_positive_definite";
    case ErrorCode::not_converged:
      return "not_converged";
    case ErrorCode::job_locked:
      return "job_locked";
    case ErrorCode::worker_died:
      return "worker_died";
    case ErrorCode::deadline_exceeded:
      return "deadline_exceeded";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::verification_failed:
      return "verification_failed";
    case ErrorCode::guard_violated:
      return "guard_violated";
    case ErrorCode::device_failure:
      return "device_failure";
  }
  return "invalid_argument";
}

std::string describe(const Error& error) {
  std::string text(error_name(error.code));
  if (!error.where.empty()) {
    text += " at " + error.where;
  }
  if (!error.found.empty()) {
    text += ": found " + error.found;
  }
  if (!error.expected.empty()) {
    text += (error.found.empty() ? ": expected " : ", expected ") + error.expected;
  }
  if (!error.remedy.empty()) {
    text += ". " + error.remedy;
  }
  return text;
}

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::unknown_key:
    case ErrorCode::wrong_type:
    case ErrorCode::out_of_range:
    case ErrorCode::impossible_combination:
    case ErrorCode::malformed_file:
    case ErrorCode::missing_file:
    case ErrorCode::missing_tensor:
    case ErrorCode::shape_mismatch:
    case ErrorCode::unsupported:
    case ErrorCode::text_too_short:
    case ErrorCode::unreachable_target:
    case ErrorCode::digest_mismatch:
    case ErrorCode::job_locked:
    case ErrorCode::guard_violated:
      return 2;
    case ErrorCode::does_not_fit:
    case ErrorCode::disk_full:
      return 3;
    case ErrorCode::worker_died:
    case ErrorCode::deadline_exceeded:
      return 4;
    case ErrorCode::cancelled:
      return 5;
    case ErrorCode::invalid_argument:
    case ErrorCode::io_failure:
    case ErrorCode::not_positive_definite:
    case ErrorCode::not_converged:
    case ErrorCode::verification_failed:
    case ErrorCode::device_failure:
      return 1;
  }
  return 1;
}

}  // namespace cce
