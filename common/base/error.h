#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cce {

/// What went wrong, stable across versions. error_table says of each what it means and what follows from it.
enum class ErrorCode {
  invalid_argument,
  unknown_key,
  wrong_type,
  out_of_range,
  impossible_combination,
  malformed_file,
  malformed_request,
  missing_file,
  missing_tensor,
  shape_mismatch,
  unsupported,
  text_too_short,
  unreachable_target,
  does_not_fit,
  disk_full,
  io_failure,
  digest_mismatch,
  not_positive_definite,
  not_converged,
  job_not_found,
  result_not_found,
  wrong_job_state,
  queue_full,
  job_locked,
  worker_died,
  deadline_exceeded,
  cancelled,
  verification_failed,
  guard_violated,
  device_failure,
};

/// Whose move it is after an error; decides the HTTP status.
enum class ErrorKind {
  bad_request,  ///< 400: a request that cannot be read
  bad_input,    ///< 422: a request that can be read and not be done: another input is needed
  missing,      ///< 404: what the request names is not there
  conflict,     ///< 409: its state stands against it
  busy,         ///< 429: again later
  no_room,      ///< 507: again once there is space
  unavailable,  ///< 503: no answer in time; again later
  internal,     ///< 500: a fault of the program or its machine
};

/// One code.
struct ErrorRow {
  ErrorCode code;
  std::string_view name;  ///< snake_case, as written in events and JSON
  ErrorKind kind;
  int exit_code;  ///< 1 internal, 2 bad input or unreachable target, 3 memory, disk or queue is full, 4 a worker
                  ///< died, 5 cancelled
  std::string_view when;  ///< a sentence without its period
};

/// Every code, in the order of ErrorCode. docs/errors.md is this table.
std::span<const ErrorRow> error_table();
const ErrorRow& error_row(ErrorCode code);

std::string_view error_name(ErrorCode code);
std::optional<ErrorCode> error_code_named(std::string_view name);
int exit_code(ErrorCode code);

int http_status(ErrorKind kind);
int http_status(ErrorCode code);

/// The one error of this project. Thrown by value, caught by const reference; becomes an exit code, an HTTP
/// status or an event only at the edges.
struct Error {
  ErrorCode code = ErrorCode::invalid_argument;
  std::string where = {};     ///< the place as the user knows it: key path, file and tensor, layer and block
  std::string found = {};     ///< what was there
  std::string expected = {};  ///< what is allowed
  std::string remedy = {};    ///< what to do next: a sentence
};

/// One paragraph for people: "CODE at WHERE: found FOUND, expected EXPECTED. REMEDY." Empty parts are left out;
/// a part that ends its sentence itself gets no second period.
std::string describe(const Error& error);

}  // namespace cce
