#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/service/job_view.h"
#include "coordinator/system/beneath.h"

namespace cce {

/// Names in lower case, in the order they came; a name may occur twice.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

/// A request as a value, independent of sockets. Header names are in lower case.
struct HttpRequest {
  std::string method;  ///< "GET"
  std::string target;  ///< as on the request line: "/v1/jobs?state=running"
  HttpHeaders headers;
  std::string body;

  /// The first header of that name (lower case), or nothing.
  std::optional<std::string_view> header(std::string_view name) const;
  /// How many headers have that name.
  int count(std::string_view name) const;
};

/// Bytes [first, first + bytes) of an open file, sent as the response's body.
struct FileSlice {
  std::shared_ptr<const OpenedFile> file;
  std::int64_t first = 0;
  std::int64_t bytes = 0;
};

/// Ask the server to go on with the events of a job after `position`: until the job is over, or, without
/// `follow`, until what there is now has been sent.
struct StreamOrder {
  std::string job_id;
  StreamPosition position;
  bool follow = true;
};

/// A response as a value. At most one of body, file and stream is set.
struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  std::string body;
  std::optional<FileSlice> file;
  std::optional<StreamOrder> stream;
  std::string route;  ///< the row of the router table that answered, such as "/v1/jobs/{id}"; "" for none

  std::optional<std::string_view> header(std::string_view name) const;
};

HttpResponse json_response(int status, std::string body);

}  // namespace cce
