#pragma once
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "coordinator/http/http_message.h"

namespace cce {

/// What is wrong with a request before it concerns a job; `code` is a stable snake_case name.
struct Problem {
  int status = 400;
  std::string code;
  std::string detail;
  HttpHeaders headers;  ///< further ones of the response, such as Allow
};

/// A response of type application/problem+json (RFC 9457): type "urn:cce:problem:CODE", title, status,
/// detail.
HttpResponse problem_response(const Problem& problem);

/// The status of an error that a request met: 422 for input that cannot become a job, 409 where the job's
/// state does not allow it, 404 for a file, 503 and 507 for what may be temporary, 500 for the program's own
/// faults.
int http_status(ErrorCode code);

/// The same with the error's parts as members code, where, found, expected, remedy. Of a status 500 nothing
/// but its code is told: that belongs into the server's log, for which `describe` is.
HttpResponse problem_response(const Error& error, int status);

/// "Not Found" and the like; "Unknown" for a status that is not used here.
std::string_view status_phrase(int status);

}  // namespace cce
