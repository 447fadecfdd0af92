#include <algorithm>
#include <array>

#include "common/base/number_format.h"
#include "coordinator/api/api.h"
#include "coordinator/api/api_json.h"
#include "coordinator/http/byte_range.h"
#include "coordinator/http/problem_json.h"
#include "coordinator/page/report_rows.h"
#include "coordinator/system/beneath.h"

namespace cce {
namespace {

constexpr std::int64_t largest_json_bytes = std::int64_t{64} << 20;
constexpr std::int64_t largest_tail_bytes = std::int64_t{16} << 20;

std::string_view content_type(std::string_view path) {
  struct Row {
    std::string_view ending, type;
  };
  // Downloads: nothing here may run in a page of this server, and a part of a JSON file is no JSON.
  constexpr std::array<Row, 3> rows{{{".md", "text/plain; charset=utf-8"},
                                     {".txt", "text/plain; charset=utf-8"},
                                     {".py", "text/plain; charset=utf-8"}}};
  const auto* const row = std::find_if(rows.begin(), rows.end(),
                                       [path](const Row& known) { return path.ends_with(known.ending); });
  return row == rows.end() ? "application/octet-stream" : row->type;
}

/// A file, or the part of it that Range asks for, as RFC 9110 says: If-None-Match first, Range only where
/// If-Range (if there is one) still names this file.
HttpResponse file_response(const HttpRequest& request, const std::shared_ptr<const OpenedFile>& file,
                           std::string_view type) {
  const std::string tag = "\"" + file->identity() + "\"";
  HttpResponse response;
  response.headers = {{"content-type", std::string(type)}, {"accept-ranges", "bytes"}, {"etag", tag}};
  response.headers.emplace_back("cache-control", "no-cache");
  if (request.header("if-none-match") == tag) {
    response.status = 304;
    return response;
  }
  const std::optional<std::string_view> range_header = request.header("range");
  const bool same_file = request.header("if-range").value_or(tag) == tag;
  const ByteRange range = range_header && same_file
                              ? choose_range(*range_header, file->bytes())
                              : ByteRange{.kind = ByteRange::Kind::whole, .first = 0, .bytes = file->bytes()};
  if (range.kind == ByteRange::Kind::unsatisfiable) {
    return problem_response(Problem{416,
                                    "range_not_satisfiable",
                                    "The range lies beyond the end of the file.",
                                    {{"content-range", content_range(range, file->bytes())}}});
  }
  if (range.kind == ByteRange::Kind::part) {
    response.status = 206;
    response.headers.emplace_back("content-range", content_range(range, file->bytes()));
  }
  response.file = FileSlice{.file = file, .first = range.first, .bytes = range.bytes};
  return response;
}

std::optional<std::int64_t> parse_tail(const std::string& text) {
  constexpr std::size_t most_digits = 8;
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty() || text.size() > most_digits || !digits) {
    return std::nullopt;
  }
  const std::int64_t bytes = std::stol(text);
  return bytes >= 1 && bytes <= largest_tail_bytes ? std::optional(bytes) : std::nullopt;
}

std::shared_ptr<const OpenedFile> open_if_there(const std::filesystem::path& root, const std::string& path) {
  try {
    return open_beneath(root, path);
  } catch (const Error& error) {
    if (error.code == ErrorCode::missing_file) {
      return nullptr;
    }
    throw;
  }
}

}  // namespace

HttpResponse Api::get_recipe(const ApiCall& call) const {
  return json_response(200, jobs_.spec_json(call.parameters[0]));
}

std::string Api::report_of(const ApiCall& call) const {
  const std::filesystem::path path = jobs_.report_path(call.parameters[0]);
  const auto file = open_beneath(path.parent_path(), path.filename().string());
  if (file->bytes() > largest_json_bytes) {
    throw Error{.code = ErrorCode::io_failure,
                .where = path.string(),
                .found = format_bytes(file->bytes()),
                .expected = "a report of at most " + format_bytes(largest_json_bytes),
                .remedy = "Look at the file: it is none that a job of this version writes."};
  }
  return file->read(0, file->bytes());
}

HttpResponse Api::get_report(const ApiCall& call) const {
  return json_response(200, report_of(call));
}

HttpResponse Api::get_report_tables(const ApiCall& call) const {
  return json_response(200, report_tables_json(parse_json(report_of(call), "report.json")));
}

HttpResponse Api::list_artifacts(const ApiCall& call) const {
  const std::string& id = call.parameters[0];
  return json_response(200, artifacts_json(id, list_beneath(jobs_.artifact_root(id))));
}

HttpResponse Api::get_artifact(const ApiCall& call) const {
  const std::string& id = call.parameters[0];
  const std::string& path = call.parameters[1];
  const std::shared_ptr<const OpenedFile> file = open_if_there(jobs_.artifact_root(id), path);
  if (!file) {
    throw Error{.code = ErrorCode::result_not_found,
                .where = "artifacts of job " + id,
                .found = "no file " + path,
                .expected = "a path of GET /v1/jobs/" + id + "/artifacts",
                .remedy = "List the artifacts first."};
  }
  HttpResponse response = file_response(call.request, file, content_type(path));
  if (response.file) {
    response.headers.emplace_back("content-disposition", "attachment");
    response.headers.emplace_back("content-security-policy", "default-src 'none'; sandbox");
  }
  return response;
}

/// The current attempt's log, whole, its last ?tail=BYTES, or a Range. A job that has not begun has an empty
/// one.
HttpResponse Api::get_log(const ApiCall& call) const {
  constexpr std::string_view type = "text/plain; charset=utf-8";
  std::optional<std::int64_t> tail_bytes;
  if (const auto query = call.queries.find("tail"); query != call.queries.end()) {
    tail_bytes = parse_tail(query->second);
    if (!tail_bytes) {
      return problem_response(
          Problem{400, "bad_query", "The query 'tail' takes a number of bytes from 1 to 16777216.", {}});
    }
  }
  const std::filesystem::path path = jobs_.log_path(call.parameters[0]);
  HttpResponse response;
  response.headers = {{"content-type", std::string(type)}};
  const std::shared_ptr<const OpenedFile> file = open_if_there(path.parent_path(), path.filename().string());
  if (!file) {
    return response;
  }
  if (!tail_bytes) {
    return file_response(call.request, file, type);
  }
  const std::int64_t bytes = std::min(*tail_bytes, file->bytes());
  response.file = FileSlice{.file = file, .first = file->bytes() - bytes, .bytes = bytes};
  return response;
}

}  // namespace cce
