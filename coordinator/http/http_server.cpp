#include "coordinator/http/http_server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <vector>

#include "common/base/error.h"
#include "coordinator/http/http_server_session.h"

namespace cce {
namespace {

constexpr double pause_after_failed_accept_seconds = 0.1;

}  // namespace

struct HttpServer::State {
  State(const HttpLimits& limits, HttpHandler& handler)
      : shared(limits, handler), acceptor(shared.io), end(shared.io) {}

  void listen(const HttpServerSettings& settings);
  asio::awaitable<void> accept_all();
  asio::awaitable<void> end_all();

  HttpShared shared;
  asio::ip::tcp::acceptor acceptor;
  asio::steady_timer end;  // cancelled when the server stops
};

void HttpServer::State::listen(const HttpServerSettings& settings) {
  beast::error_code error;
  const asio::ip::address address = asio::ip::make_address(settings.address, error);
  if (error) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "--listen",
                .found = settings.address,
                .expected = "an IP address, such as 127.0.0.1, 0.0.0.0 or [::1]",
                .remedy = "Name an address of this machine, not a host name."};
  }
  const asio::ip::tcp::endpoint endpoint(address, settings.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) {
    acceptor.set_option(asio::socket_base::reuse_address(true), error);
  }
  if (!error) {
    acceptor.bind(endpoint, error);
  }
  if (!error) {
    acceptor.listen(asio::socket_base::max_listen_connections, error);
  }
  if (error) {
    throw Error{.code = ErrorCode::io_failure,
                .where = "--listen " + settings.address + ":" + std::to_string(settings.port),
                .found = error.message(),
                .expected = "a free port",
                .remedy = "Choose another port, or 0 for any free one."};
  }
}

asio::awaitable<void> HttpServer::State::accept_all() {
  asio::steady_timer pause(shared.io);
  while (!shared.stopping) {
    if (shared.sessions.size() >= shared.limits.connections) {
      // New clients wait in the kernel's queue until another leaves.
      pause.expires_after(to_duration(pause_after_failed_accept_seconds));
      co_await pause.async_wait(as_result);
      continue;
    }
    auto [error, socket] = co_await acceptor.async_accept(as_result);
    if (shared.stopping) {
      break;
    }
    if (error) {  // no descriptors left, or a client that has already gone
      pause.expires_after(to_duration(pause_after_failed_accept_seconds));
      co_await pause.async_wait(as_result);
      continue;
    }
    const auto session = std::make_shared<HttpSession>(std::move(socket), shared);
    asio::co_spawn(
        shared.io, [session]() { return session->run(); }, asio::detached);
  }
}

asio::awaitable<void> HttpServer::State::end_all() {
  end.expires_at(std::chrono::steady_clock::time_point::max());
  if (!shared.stopping) {
    co_await end.async_wait(as_result);
  }
  beast::error_code ignored;
  acceptor.close(ignored);
  for (HttpSession* const session : std::set<HttpSession*>(shared.sessions)) {
    session->stop();
  }
  const auto deadline = std::chrono::steady_clock::now() + to_duration(shared.limits.stop_seconds);
  asio::steady_timer pause(shared.io);
  while (!shared.sessions.empty() && std::chrono::steady_clock::now() < deadline) {
    pause.expires_after(std::chrono::milliseconds(20));
    co_await pause.async_wait(as_result);
  }
  for (HttpSession* const session : std::set<HttpSession*>(shared.sessions)) {
    session->abort();
  }
  shared.io.stop();  // a handler that still works holds nothing up: nobody reads its answer any more
}

HttpServer::HttpServer(const HttpServerSettings& settings, HttpHandler& handler)
    : state_(std::make_unique<State>(settings.limits, handler)) {
  state_->listen(settings);
}

HttpServer::~HttpServer() {
  state_->shared.workers.stop();
  state_->shared.workers.join();
}

std::uint16_t HttpServer::port() const {
  return state_->acceptor.local_endpoint().port();
}

void HttpServer::run() {
  State& state = *state_;
  asio::co_spawn(state.shared.io, state.accept_all(), asio::detached);
  asio::co_spawn(state.shared.io, state.end_all(), asio::detached);
  state.shared.io.run();
}

void HttpServer::stop() {
  State& state = *state_;
  asio::post(state.shared.io, [&state] {
    state.shared.stopping = true;
    state.end.cancel();
  });
}

void HttpServer::notify(const std::string& job_id) {
  HttpShared& shared = state_->shared;
  asio::post(shared.io, [&shared, job_id] {
    const auto known = shared.feeds.find(job_id);
    const std::shared_ptr<EventFeed> feed = known == shared.feeds.end() ? nullptr : known->second.lock();
    if (feed) {
      feed->noticed = true;
      feed->pause.cancel();
    }
  });
}

}  // namespace cce
