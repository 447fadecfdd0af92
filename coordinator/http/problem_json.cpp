#include "coordinator/http/problem_json.h"

#include "common/base/json_writer.h"

namespace cce {
namespace {

OrderedJson problem_document(int status, const std::string& code, const std::string& detail) {
  OrderedJson document;
  document["type"] = "urn:cce:problem:" + code;
  document["title"] = std::string(status_phrase(status));
  document["status"] = status;
  document["detail"] = detail;
  document["code"] = code;
  return document;
}

HttpResponse response_of(int status, const OrderedJson& document) {
  HttpResponse response;
  response.status = status;
  response.headers = {{"content-type", "application/problem+json"}, {"cache-control", "no-store"}};
  // Found text may be any bytes of a request: what is not UTF-8 is replaced, never a second error.
  response.body = document.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  return response;
}

}  // namespace

HttpResponse problem_response(const Problem& source) {
  HttpResponse response =
      response_of(source.status, problem_document(source.status, source.code, source.detail));
  response.headers.insert(response.headers.end(), source.headers.begin(), source.headers.end());
  return response;
}

int http_status(ErrorCode code) {
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
    case ErrorCode::does_not_fit:
    case ErrorCode::digest_mismatch:
    case ErrorCode::guard_violated:
      return 422;
    case ErrorCode::job_locked:
    case ErrorCode::cancelled:
      return 409;
    case ErrorCode::deadline_exceeded:
      return 503;
    case ErrorCode::disk_full:
      return 507;
    case ErrorCode::invalid_argument:
    case ErrorCode::io_failure:
    case ErrorCode::not_positive_definite:
    case ErrorCode::not_converged:
    case ErrorCode::worker_died:
    case ErrorCode::verification_failed:
    case ErrorCode::device_failure:
      return 500;
  }
  return 500;
}

HttpResponse problem_response(const Error& error, int status) {
  const std::string code(error_name(error.code));
  if (status == 500 || status == 507) {  // the server's own paths and failures are not for clients
    const bool is_full = status == 507;
    OrderedJson document = problem_document(
        status, code,
        is_full ? "The server's disk is full; its log says where." : "The server failed; its log says how.");
    document["remedy"] = is_full ? "Try again once there is space where the server keeps its jobs (--data)."
                                 : "Try again; where it stays so, have the server's log looked at.";
    return response_of(status, document);
  }
  OrderedJson document = problem_document(status, code, describe(error));
  document["where"] = error.where;
  document["found"] = error.found;
  document["expected"] = error.expected;
  document["remedy"] = error.remedy;
  return response_of(status, document);
}

std::string_view status_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

}  // namespace cce
