#pragma once
#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "coordinator/http/http_server.h"
#include "tests/coordinator/http/raw_client.h"

namespace cce {

/// Answers by path: /echo repeats the request, /wait answers once released, /stream follows the events, /now
/// sends those there are, /file serves `file`; /refused is turned away by its header.
class FakeHandler final : public HttpHandler {
 public:
  HeadVerdict check_head(const HttpRequest& head) override {
    if (head.target != "/refused") {
      return {.refusal = std::nullopt,
              .answer = [this](const HttpRequest& request) { return answer(request); }};
    }
    HttpResponse response = json_response(401, "{}");
    response.route = "/refused";
    return {.refusal = response, .answer = {}};
  }

  HttpResponse answer(const HttpRequest& request) {
    if (request.target == "/wait") {
      std::unique_lock<std::mutex> hold(mutex_);
      waiting_ = true;
      changed_.notify_all();
      changed_.wait_for(hold, std::chrono::seconds(20), [this] { return released_; });
    }
    HttpResponse response = json_response(200, request.method + " " + request.target + "\n" + request.body);
    if (request.target == "/stream") {
      response.body.clear();
      response.headers = {{"content-type", "text/event-stream"}};
      response.stream = StreamOrder{.job_id = "job", .position = {}, .follow = true};
    } else if (request.target == "/now") {
      response.body.clear();
      response.headers = {{"content-type", "text/event-stream"}};
      response.stream = StreamOrder{.job_id = "job", .position = {}, .follow = false};
    } else if (request.target == "/file") {
      response.body.clear();
      response.file = FileSlice{.file = file, .first = 1, .bytes = file->bytes() - 1};
    }
    response.route = request.target;
    return response;
  }

  EventPage events(const std::string& job_id, const StreamPosition& after, std::size_t most) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    EventPage page;
    if (job_id != "job") {
      page.ended = true;
      return page;
    }
    for (auto event = after.event; event < events_ && page.frames.size() < most; ++event) {
      const StreamPosition position{.state = 1, .event = event + 1};
      page.frames.push_back(make_frame(position, "event", std::string(event_bytes, 'x')));
    }
    page.ended = over_ && after.event + static_cast<std::int64_t>(page.frames.size()) == events_;
    return page;
  }

  void observe(const Exchange& exchange) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    exchanges_.push_back(exchange);
    changed_.notify_all();
  }

  // ---- for the test's thread
  void set_events(std::int64_t count, bool over) {
    const std::lock_guard<std::mutex> hold(mutex_);
    events_ = count;
    over_ = over;
  }
  bool wait_until_called() {
    std::unique_lock<std::mutex> hold(mutex_);
    return changed_.wait_for(hold, std::chrono::seconds(10), [this] { return waiting_; });
  }
  void release() {
    const std::lock_guard<std::mutex> hold(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  std::vector<Exchange> wait_for_exchanges(std::size_t count) {
    std::unique_lock<std::mutex> hold(mutex_);
    changed_.wait_for(hold, std::chrono::seconds(10), [&] { return exchanges_.size() >= count; });
    return exchanges_;
  }

  std::shared_ptr<const OpenedFile> file;
  std::size_t event_bytes = 10;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool waiting_ = false, released_ = false, over_ = false;
  std::int64_t events_ = 0;
  std::vector<Exchange> exchanges_;
};

/// A running server over a FakeHandler, with short deadlines.
class HttpServerTest : public testing::Test {
 protected:
  static HttpLimits short_limits() {
    HttpLimits limits;
    limits.header_bytes = 2048;
    limits.body_bytes = 4096;
    limits.connections = 16;
    limits.streams = 2;
    limits.idle_seconds = 5.0;
    limits.header_seconds = 5.0;
    limits.body_seconds = 5.0;
    limits.answer_seconds = 10.0;
    limits.write_seconds = 5.0;
    limits.heartbeat_seconds = 5.0;
    limits.poll_seconds = 0.02;
    limits.stop_seconds = 2.0;
    limits.workers = 2;
    return limits;
  }

  void start(const HttpLimits& limits = short_limits()) {
    server_ = std::make_unique<HttpServer>(
        HttpServerSettings{.address = "127.0.0.1", .port = 0, .limits = limits}, handler_);
    thread_ = std::thread([this] { server_->run(); });
  }
  void stop() {
    if (thread_.joinable()) {
      server_->stop();
      thread_.join();
    }
  }
  void TearDown() override {
    handler_.release();
    stop();
  }
  std::uint16_t port() const { return server_->port(); }

  /// The whole response to bytes after which the client says no more.
  std::string exchange(std::string_view request) {
    RawClient client(port());
    client.send(request);
    client.end_sending();
    return client.read_all();
  }

  FakeHandler handler_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
};

}  // namespace cce
