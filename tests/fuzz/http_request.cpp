#include "tests/fuzz/http_request.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "common/base/json_reader.h"
#include "coordinator/api/api.h"
#include "coordinator/http/http_server.h"
#include "coordinator/http/http_server_request.h"
#include "tests/common/temporary_folder.h"
#include "tests/coordinator/service/fake_cluster.h"

namespace cce {
namespace {

namespace http = boost::beast::http;

constexpr const char* secret = "what no response may hold";
constexpr std::size_t most_frames = 100;

void check(bool kept, const std::string& promise) {
  if (!kept) {
    throw std::logic_error(promise);
  }
}

std::string replaced(std::string_view bytes, std::string_view word, const std::string& id) {
  std::string text(bytes);
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + id.size())) {
    text.replace(at, word.size(), id);
  }
  return text;
}

bool is_header_text(const std::string& text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
}

}  // namespace

struct HttpRequestTarget::State {
  State() : log(LogLevel::info, "fuzz", &log_text), scheduler(cluster) {
    std::filesystem::create_directories(folder / "root");
    std::filesystem::copy(std::filesystem::path(CCE_TESTS_DIR) / "data/models/stories260K",
                          folder / "root/model");
    std::ofstream(folder / "root/text.txt") << "Once upon a time there was a test.\n";
    std::ofstream(folder / "secret") << secret;
    ServiceOptions options;
    options.data = folder / "data";
    options.roots = {folder / "root"};
    options.worker = "/bin/true";
    options.most_queued = 50;
    options.machine = {.cores = 4, .memory_bytes = std::int64_t{8} << 30, .has_bf16 = false};
    jobs = std::make_unique<JobService>(files, scheduler, options);
    api = std::make_unique<Api>(*jobs, AccessPolicy{}, log);
    const std::string recipe =
        R"({"model": "model", "calibration": {"text": ["text.txt"], "length": 128, "sequences": 4},)"
        R"( "resources": {"ranks": 1, "threads": 1}})";
    completed = jobs->create(recipe, std::nullopt).job->id;
    for (int round = 0; round < 50 && jobs->get(completed)->state != JobState::completed; ++round) {
      jobs->step();
      cluster.tick();
    }
    check(jobs->get(completed)->state == JobState::completed, "the job completes");
    std::filesystem::create_symlink(folder / "secret", jobs->artifact_root(completed) / "link");
    queued = jobs->create(recipe, std::nullopt).job->id;
  }

  HttpResponse answer(HttpRequest& request, std::string body) {
    const HeadVerdict verdict = api->check_head(request);
    if (verdict.refusal) {
      return *verdict.refusal;
    }
    request.body = std::move(body);
    return verdict.answer(request);
  }

  TemporaryFolder folder;
  std::ostringstream log_text;
  Logger log;
  PosixFileSystem files;
  FakeCluster cluster;
  FakeScheduler scheduler;
  std::unique_ptr<JobService> jobs;
  std::unique_ptr<Api> api;
  std::string completed, queued;
};

HttpRequestTarget::HttpRequestTarget() : state_(std::make_unique<State>()) {}
HttpRequestTarget::~HttpRequestTarget() = default;

bool HttpRequestTarget::serve(std::string_view bytes) {
  State& state = *state_;
  const std::string text = replaced(replaced(bytes, "QUEUEDJOBQUEUEDJOBQQ", state.queued),
                                    "COMPLETEDJOBCOMPLETED", state.completed);
  http::request_parser<http::string_body> parser;
  const HttpLimits limits;
  parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  parser.body_limit(limits.body_bytes);
  parser.eager(true);
  boost::beast::error_code error;
  parser.put(boost::asio::buffer(text), error);
  if (error || !parser.is_done()) {
    return false;
  }
  HttpRequest request = to_request(parser.get());
  const HttpResponse response = state.answer(request, parser.get().body());

  check(status_phrase(response.status) != "Unknown", "every status has a phrase");
  check(response.status != 500, "no request is the server's own fault: " + state.log_text.str());
  for (const auto& [name, value] : response.headers) {
    check(is_header_text(name) && is_header_text(value), "a header is one line");
  }
  if (response.status >= 400) {
    check(parse_json(response.body, "problem")["status"] == response.status, "a problem names its status");
  }
  std::string sent = response.body;
  if (response.file) {
    check(response.file->first >= 0 && response.file->bytes >= 0 &&
              response.file->first + response.file->bytes <= response.file->file->bytes(),
          "a slice lies within its file");
    sent = response.file->file->read(response.file->first, response.file->bytes);
  }
  // A refusal quotes what was asked: words that came with the request are no secret.
  check(sent.find(secret) == std::string::npos || text.find(secret) != std::string::npos,
        "nothing outside of the job is served");
  if (response.stream) {
    const EventPage page = state.api->events(response.stream->job_id, response.stream->position, most_frames);
    check(page.frames.size() <= most_frames, "a page has a limit");
  }
  state.log_text.str("");
  return true;
}

}  // namespace cce
