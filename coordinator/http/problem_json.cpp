#include "coordinator/http/problem_json.h"

#include "common/base/error_json.h"

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

/// Its own paths and troubles are nobody else's business.
Error public_part(ErrorCode code, ErrorKind kind) {
  if (kind == ErrorKind::no_room) {
    return {.code = code,
            .where = "the server",
            .found = "no space left where it keeps its jobs",
            .remedy = "Try again once there is space in the server's folder (--data); its log says where."};
  }
  return {.code = code,
          .where = "the server",
          .found = "a fault of its own",
          .remedy = "Try again; where it stays so, have the server's log looked at: it says how it failed."};
}

}  // namespace

HttpResponse problem_response(const Problem& source) {
  HttpResponse response =
      response_of(source.status, problem_document(source.status, source.code, source.detail));
  response.headers.insert(response.headers.end(), source.headers.begin(), source.headers.end());
  return response;
}

bool is_private(ErrorKind kind) {
  return kind == ErrorKind::internal || kind == ErrorKind::no_room;
}

HttpResponse problem_response(const Error& error) {
  const ErrorKind kind = error_row(error.code).kind;
  const Error shown = is_private(kind) ? public_part(error.code, kind) : error;
  const OrderedJson parts = error_json(shown);
  OrderedJson document = problem_document(http_status(kind), parts["code"], describe(shown));
  document.update(parts);
  return response_of(http_status(kind), document);
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
