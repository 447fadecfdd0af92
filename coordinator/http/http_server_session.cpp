#include "coordinator/http/http_server_session.h"

#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>

#include "coordinator/http/http_server_request.h"
#include "coordinator/http/problem_json.h"

namespace cce {
namespace {

namespace http = beast::http;

constexpr std::size_t read_bytes = 8192;
constexpr double linger_seconds = 1.0;
constexpr std::size_t most_lingering_bytes = 1 << 20;

/// What is told to a client whose request could not be read to its end; nothing where the client has gone or
/// time has run out: the connection is closed then.
std::optional<Problem> read_problem(const beast::error_code& error) {
  if (error == http::error::body_limit) {
    return Problem{413, "body_too_large", "The body is larger than this server takes.", {}};
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Problem{431, "header_too_large", "The header is larger than this server takes.", {}};
  }
  if (error.category() == http::make_error_code(http::error::bad_target).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return Problem{400, "malformed_request", "This is not an HTTP/1.1 request.", {}};
  }
  return std::nullopt;
}

bool announces_body(const HttpRequest& request) {
  return request.count("transfer-encoding") > 0 || request.header("content-length").value_or("0") != "0";
}

}  // namespace

HttpSession::HttpSession(asio::ip::tcp::socket socket, HttpShared& shared)
    : shared_(shared), stream_(std::move(socket)), wake_(shared.io) {
  shared_.sessions.insert(this);
}

HttpSession::~HttpSession() {
  shared_.sessions.erase(this);
}

void HttpSession::stop() {
  if (idle_) {
    abort();
  }
  wake_.cancel();
}

void HttpSession::abort() {
  gone_ = true;
  wake_.cancel();
  stream_.close();
}

asio::awaitable<void> HttpSession::run() {
  const auto self = shared_from_this();
  beast::error_code ignored;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  for (bool open = true; open && !shared_.stopping;) {
    open = co_await wait_for_request();
    if (open) {
      open = co_await serve_one();
    }
  }
  co_await close();
}

asio::awaitable<bool> HttpSession::wait_for_request() {
  if (buffer_.size() > 0) {
    co_return true;
  }
  idle_ = true;
  stream_.expires_after(to_duration(shared_.limits.idle_seconds));
  const auto [error, bytes] = co_await stream_.async_read_some(buffer_.prepare(read_bytes), as_result);
  idle_ = false;
  buffer_.commit(bytes);
  co_return !error;
}

/// One request and its response. False: the connection ends.
asio::awaitable<bool> HttpSession::serve_one() {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(shared_.limits.header_bytes));
  parser.body_limit(shared_.limits.body_bytes);
  stream_.expires_after(to_duration(shared_.limits.header_seconds));
  const auto [error, bytes] = co_await http::async_read_header(stream_, buffer_, parser, as_result);
  if (error) {
    co_await refuse(error);
    co_return false;
  }
  const auto started = std::chrono::steady_clock::now();
  HttpRequest request = to_request(parser.get());
  const unsigned version = parser.get().version();
  bool keep_alive = parser.keep_alive();

  HeadVerdict verdict = shared_.handler.check_head(request);
  std::optional<HttpResponse> response = std::move(verdict.refusal);
  if (response) {
    keep_alive = keep_alive && !announces_body(request);  // what follows would be the body nobody reads
  } else {
    const bool whole = co_await read_body(parser);
    if (!whole) {
      co_return false;
    }
    request.body = std::move(parser.get().body());
    response = co_await answer(std::move(verdict.answer), request);
  }
  keep_alive = keep_alive && !shared_.stopping;
  bytes_ = 0;
  bool written = false;
  if (response->stream && request.method != "HEAD") {
    co_await stream(*response, version);
  } else {
    written = co_await write(*response, request.method == "HEAD", keep_alive, version);
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  shared_.handler.observe({.method = request.method,
                           .route = response->route,
                           .status = response->status,
                           .seconds = elapsed.count(),
                           .bytes = bytes_});
  co_return written&& keep_alive;
}

asio::awaitable<bool> HttpSession::read_body(Parser& parser) {
  if (parser.is_done()) {
    co_return true;
  }
  stream_.expires_after(to_duration(shared_.limits.body_seconds));
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    const bool asked = co_await write_bytes("HTTP/1.1 100 Continue\r\n\r\n");
    if (!asked) {
      co_return false;
    }
    stream_.expires_after(to_duration(shared_.limits.body_seconds));
  }
  const auto [error, bytes] = co_await http::async_read(stream_, buffer_, parser, as_result);
  if (error) {
    co_await refuse(error);
    co_return false;
  }
  co_return true;
}

asio::awaitable<HttpResponse> HttpSession::answer(Answer answer, HttpRequest request) {
  auto work = [answered = std::move(answer), asked = std::move(request)] { return answered(asked); };
  std::optional<HttpResponse> response =
      co_await shared_.on_worker(std::move(work), shared_.limits.answer_seconds);
  if (response) {
    co_return std::move(*response);
  }
  co_return problem_response(
      Problem{504, "answer_too_slow", "The request takes longer than this server waits.", {}});
}

asio::awaitable<void> HttpSession::refuse(beast::error_code error) {
  const std::optional<Problem> problem = read_problem(error);
  if (!problem) {
    co_return;
  }
  const HttpResponse response = problem_response(*problem);
  bytes_ = 0;
  co_await write(response, false, false, 11);
  shared_.handler.observe(
      {.method = "", .route = "", .status = response.status, .seconds = 0.0, .bytes = bytes_});
}

/// Sends the end and reads what the client may still be sending, for a moment: closing with unread bytes
/// would discard the response.
asio::awaitable<void> HttpSession::close() {
  beast::error_code error;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (!error && !gone_) {
    stream_.expires_after(to_duration(linger_seconds));
    std::size_t drained = 0;
    for (bool open = true; open && drained < most_lingering_bytes;) {
      buffer_.clear();
      const auto [failure, bytes] = co_await stream_.async_read_some(buffer_.prepare(read_bytes), as_result);
      drained += bytes;
      open = !failure;
    }
  }
  stream_.close();
}

}  // namespace cce
