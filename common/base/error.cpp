#include "common/base/error.h"

#include <array>

namespace cce {
namespace {

using enum ErrorCode;
using enum ErrorKind;

constexpr std::array error_rows{
    ErrorRow{invalid_argument, "invalid_argument", internal, 1, "A bug in CCE: please report it"},
    ErrorRow{unknown_key, "unknown_key", bad_input, 2, "A key that nothing reads"},
    ErrorRow{wrong_type, "wrong_type", bad_input, 2, "A value of another type than expected"},
    ErrorRow{out_of_range, "out_of_range", bad_input, 2, "A value outside what is allowed"},
    ErrorRow{impossible_combination, "impossible_combination", bad_input, 2,
             "Values that exclude each other, such as a structure and a format that cannot carry it"},
    ErrorRow{malformed_file, "malformed_file", bad_input, 2, "A file that breaks its own format"},
    ErrorRow{malformed_request, "malformed_request", bad_request, 2,
             "A request to the server whose body or header cannot be read"},
    ErrorRow{missing_file, "missing_file", bad_input, 2, "A file or shard that should be there"},
    ErrorRow{missing_tensor, "missing_tensor", bad_input, 2,
             "A tensor that the architecture needs and the checkpoint lacks"},
    ErrorRow{shape_mismatch, "shape_mismatch", bad_input, 2,
             "A tensor of another shape than the configuration says"},
    ErrorRow{unsupported, "unsupported", bad_input, 2, "Valid, but nothing that this version handles"},
    ErrorRow{text_too_short, "text_too_short", bad_input, 2, "Less text than one window"},
    ErrorRow{unreachable_target, "unreachable_target", bad_input, 2,
             "No choice of structures removes that much; the message names the most"},
    ErrorRow{does_not_fit, "does_not_fit", bad_input, 3, "More memory than the machine or the limit has"},
    ErrorRow{disk_full, "disk_full", no_room, 3, "No space left on the device"},
    ErrorRow{io_failure, "io_failure", internal, 1, "Another read or write failed"},
    ErrorRow{digest_mismatch, "digest_mismatch", bad_input, 2,
             "Another checkpoint than the one the job was made for"},
    ErrorRow{not_positive_definite, "not_positive_definite", internal, 1,
             "A factorisation met a pivot of 0 or below"},
    ErrorRow{not_converged, "not_converged", internal, 1, "An iteration gave up"},
    ErrorRow{job_not_found, "job_not_found", missing, 2, "The server has no job of this id"},
    ErrorRow{result_not_found, "result_not_found", missing, 2,
             "A report or artifact that the job has not made, or not made yet"},
    ErrorRow{wrong_job_state, "wrong_job_state", conflict, 2,
             "The job's state does not allow this: a completed job cannot be cancelled"},
    ErrorRow{queue_full, "queue_full", busy, 3, "As many jobs wait at the server as it takes"},
    ErrorRow{job_locked, "job_locked", conflict, 2, "Another process works on the job"},
    ErrorRow{worker_died, "worker_died", internal, 4,
             "A rank ended without saying why; the message has the end of its log"},
    ErrorRow{deadline_exceeded, "deadline_exceeded", unavailable, 4, "A wait or the time limit ran out"},
    ErrorRow{cancelled, "cancelled", conflict, 5, "You asked to stop"},
    ErrorRow{
        verification_failed, "verification_failed", internal, 1,
        "The exported checkpoint, or a library as a worker starts, computes something else than it should"},
    ErrorRow{guard_violated, "guard_violated", bad_input, 2,
             "A failure signature passed its limit and `guard.mode` is stop"},
    ErrorRow{device_failure, "device_failure", internal, 1,
             "The GPU or one of its libraries reported a failure"},
};

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < error_rows.size(); ++i) {
    if (error_rows[i].code != static_cast<ErrorCode>(i)) {
      return false;
    }
  }
  return error_rows.back().code == device_failure;
}
static_assert(is_in_order(), "error_rows has every code once, in the order of ErrorCode");

struct KindRow {
  ErrorKind kind;
  int http_status;
};
constexpr std::array kind_rows{
    KindRow{bad_request, 400}, KindRow{bad_input, 422}, KindRow{missing, 404},     KindRow{conflict, 409},
    KindRow{busy, 429},        KindRow{no_room, 507},   KindRow{unavailable, 503}, KindRow{internal, 500},
};

const KindRow& kind_row(ErrorKind kind) {
  for (const KindRow& row : kind_rows) {
    if (row.kind == kind) {
      return row;
    }
  }
  return kind_rows.back();
}

/// A period, where the text does not end its sentence or line itself.
void end_sentence(std::string& text) {
  constexpr std::string_view endings = ".!?\n";
  if (!text.empty() && endings.find(text.back()) == std::string_view::npos) {
    text += '.';
  }
}

}  // namespace

std::span<const ErrorRow> error_table() {
  return error_rows;
}

const ErrorRow& error_row(ErrorCode code) {
  return error_rows.at(static_cast<std::size_t>(code));
}

std::string_view error_name(ErrorCode code) {
  return error_row(code).name;
}

std::optional<ErrorCode> error_code_named(std::string_view name) {
  for (const ErrorRow& row : error_rows) {
    if (row.name == name) {
      return row.code;
    }
  }
  return std::nullopt;
}

int exit_code(ErrorCode code) {
  return error_row(code).exit_code;
}

int http_status(ErrorKind kind) {
  return kind_row(kind).http_status;
}

int http_status(ErrorCode code) {
  return http_status(error_row(code).kind);
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
  end_sentence(text);
  if (!error.remedy.empty()) {
    text += text.back() == '\n' ? "" : " ";
    text += error.remedy;
    end_sentence(text);
  }
  return text;
}

}  // namespace cce
