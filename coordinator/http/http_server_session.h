#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <string_view>

#include "coordinator/http/http_server_shared.h"

namespace cce {

namespace beast = boost::beast;

/// One connection: requests one after another, each answered before the next is read. Lives on the io thread
/// as long as its coroutine runs.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(asio::ip::tcp::socket socket, HttpShared& shared);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  asio::awaitable<void> run();

  /// The server stops: a connection between requests is closed, a stream ended, a request answered first.
  void stop();
  /// Closes it now, whatever it is doing.
  void abort();

 private:
  using Parser = beast::http::request_parser<beast::http::string_body>;
  using Answer = std::function<HttpResponse(const HttpRequest&)>;

  // http_server_session.cpp: requests
  asio::awaitable<bool> wait_for_request();
  asio::awaitable<bool> serve_one();
  asio::awaitable<bool> read_body(Parser& parser);
  asio::awaitable<HttpResponse> answer(Answer answer, HttpRequest request);
  asio::awaitable<void> refuse(beast::error_code error);
  asio::awaitable<void> close();

  // http_server_response.cpp: responses
  asio::awaitable<bool> write(const HttpResponse& response, bool head_only, bool keep_alive,
                              unsigned version);
  asio::awaitable<bool> write_slice(FileSlice slice);
  asio::awaitable<bool> write_bytes(std::string_view bytes);

  // http_server_events.cpp: event streams
  asio::awaitable<void> stream(const HttpResponse& response, unsigned version);
  asio::awaitable<void> follow(StreamOrder order);
  asio::awaitable<bool> catch_up(const StreamOrder& order, StreamPosition& position, bool& caught_up);
  asio::awaitable<bool> wait_for_events(EventFeed& feed);
  asio::awaitable<void> watch_for_end();
  asio::awaitable<bool> write_chunk(std::string_view text);

  HttpShared& shared_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  asio::steady_timer wake_;
  bool idle_ = false;       // between two requests
  bool gone_ = false;       // a stream's client has left
  bool chunked_ = true;     // of a stream: HTTP/1.0 has no chunks
  std::int64_t bytes_ = 0;  // of the current response's body
};

}  // namespace cce
