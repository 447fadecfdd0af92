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

/// The same for an Error, with its code's status and its parts as further members (error_json). Of a fault of the
/// server's own (kinds internal and no_room) nothing but its code is told: that belongs into the server's log.
HttpResponse problem_response(const Error& error);

/// Whether an error of this kind is the server's own trouble.
bool is_private(ErrorKind kind);

/// "Not Found" and the like; "Unknown" for a status that is not used here.
std::string_view status_phrase(int status);

}  // namespace cce
