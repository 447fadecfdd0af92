#include "coordinator/http/http_message.h"

#include <algorithm>

namespace cce {
namespace {

std::optional<std::string_view> first_of(const HttpHeaders& headers, std::string_view name) {
  const auto found = std::find_if(headers.begin(), headers.end(),
                                  [name](const auto& header) { return header.first == name; });
  return found == headers.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

}  // namespace

std::optional<std::string_view> HttpRequest::header(std::string_view name) const {
  return first_of(headers, name);
}

int HttpRequest::count(std::string_view name) const {
  return static_cast<int>(std::count_if(headers.begin(), headers.end(),
                                        [name](const auto& header) { return header.first == name; }));
}

std::optional<std::string_view> HttpResponse::header(std::string_view name) const {
  return first_of(headers, name);
}

HttpResponse json_response(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers = {{"content-type", "application/json"}};
  response.body = std::move(body);
  return response;
}

}  // namespace cce
