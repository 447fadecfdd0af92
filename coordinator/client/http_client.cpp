#include "coordinator/client/http_client.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <optional>
#include <type_traits>

#include "common/base/error.h"
#include "common/base/version.h"

namespace cce {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

constexpr std::chrono::milliseconds idle_interval{100};
constexpr std::size_t part_bytes = std::size_t{64} << 10;
constexpr std::uint32_t header_limit_bytes = 64 << 10;

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000.0));
}

/// What the receiver's "no" becomes on its way out of nested calls; never leaves this file.
struct Stopped {};

/// One request and its response on a connection of its own.
class Exchange {
 public:
  Exchange(const ServerUrl& server, const ClientDeadlines& deadlines, const ClientReceiver& receiver)
      : server_(server), deadlines_(deadlines), receiver_(receiver) {}

  void run(const http::request<http::string_body>& request) {
    const Tcp::resolver::results_type addresses = resolve();
    if (server_.tls) {
      run_tls(addresses, request);
    } else {
      beast::tcp_stream stream(context_);
      connect(stream, addresses);
      talk(stream, stream, request);
    }
  }

 private:
  Tcp::resolver::results_type resolve() {
    Tcp::resolver resolver(context_);
    Tcp::resolver::results_type addresses;
    const auto started = std::chrono::steady_clock::now();
    await(
        "looking up the host",
        [&](auto finish) {
          resolver.async_resolve(server_.host, server_.port, [&, finish](error_code code, auto found) {
            addresses = std::move(found);
            finish(code);
          });
        },
        [&] {
          // The resolver knows no deadline of its own.
          if (std::chrono::steady_clock::now() - started > milliseconds(deadlines_.connect_seconds)) {
            resolver.cancel();
            timed_out("looking up the host");
          }
        });
    return addresses;
  }

  void connect(beast::tcp_stream& stream, const Tcp::resolver::results_type& addresses) {
    stream.expires_after(milliseconds(deadlines_.connect_seconds));
    await("connecting", [&](auto finish) {
      stream.async_connect(addresses, [finish](error_code code, const Tcp::endpoint&) { finish(code); });
    });
  }

  void run_tls(const Tcp::resolver::results_type& addresses,
               const http::request<http::string_body>& request) {
    asio::ssl::context tls(asio::ssl::context::tls_client);
    tls.set_default_verify_paths();
    tls.set_verify_mode(asio::ssl::verify_peer);
    TlsStream stream(context_, tls);
    stream.set_verify_callback(asio::ssl::host_name_verification(server_.host));
    if (SSL_set_tlsext_host_name(stream.native_handle(), server_.host.c_str()) != 1) {
      lost("preparing TLS", error_code(static_cast<int>(::ERR_get_error()), asio::error::get_ssl_category()));
    }
    connect(beast::get_lowest_layer(stream), addresses);
    await("the TLS handshake",
          [&](auto finish) { stream.async_handshake(asio::ssl::stream_base::client, finish); });
    talk(stream, beast::get_lowest_layer(stream), request);
  }

  template <typename Stream>
  void talk(Stream& stream, beast::tcp_stream& socket, const http::request<http::string_body>& request) {
    const auto give_time = [&] { socket.expires_after(milliseconds(deadlines_.silence_seconds)); };
    give_time();
    await("sending the request", [&](auto finish) {
      http::async_write(stream, request, [finish](error_code code, std::size_t) { finish(code); });
    });
    beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    parser.header_limit(header_limit_bytes);
    parser.body_limit(boost::none);
    await("waiting for the answer", [&](auto finish) {
      http::async_read_header(stream, buffer, parser,
                              [finish](error_code code, std::size_t) { finish(code); });
    });
    hand_over_head(parser.get());
    std::array<char, part_bytes> part{};
    while (!parser.is_done()) {
      parser.get().body().data = part.data();
      parser.get().body().size = part.size();
      give_time();
      await("reading the answer", [&](auto finish) {
        http::async_read_some(stream, buffer, parser, [finish](error_code code, std::size_t) {
          finish(code == http::error::need_buffer ? error_code() : code);
        });
      });
      const std::string_view bytes(part.data(), part.size() - parser.get().body().size);
      if (!bytes.empty() && !receiver_.body(bytes)) {
        throw Stopped{};
      }
    }
  }

  void hand_over_head(const http::response<http::buffer_body>& response) {
    ClientHead head;
    head.status = static_cast<int>(response.result_int());
    for (const auto& field : response) {
      std::string name(field.name_string());
      std::transform(name.begin(), name.end(), name.begin(), [](char character) {
        return character >= 'A' && character <= 'Z' ? static_cast<char>(character + 32) : character;
      });
      head.headers.emplace(std::move(name), std::string(field.value()));
    }
    if (!receiver_.head(head)) {
      throw Stopped{};
    }
  }

  /// Starts one operation and serves it to its end, asking the receiver now and then whether to go on.
  template <typename Start>
  void await(const char* what, const Start& start) {
    await(what, start, [] {});
  }

  template <typename Start, typename Check>
  void await(const char* what, const Start& start, const Check& check) {
    std::optional<error_code> outcome;
    start([&outcome](error_code code) { outcome = code; });
    context_.restart();
    auto last_idle = std::chrono::steady_clock::now();
    while (!outcome) {
      context_.run_one_for(idle_interval);
      const auto now = std::chrono::steady_clock::now();
      if (!outcome && now - last_idle >= idle_interval) {
        last_idle = now;
        check();
        if (!receiver_.idle()) {
          throw Stopped{};
        }
      }
    }
    if (*outcome == beast::error::timeout) {
      timed_out(what);
    }
    if (*outcome) {
      lost(what, *outcome);
    }
  }

  [[noreturn]] void timed_out(const char* what) const {
    throw Error{.code = ErrorCode::deadline_exceeded,
                .where = server_.text(),
                .found = std::string("no answer while ").append(what),
                .expected = "",
                .remedy = "Check that the server runs and can be reached from here."};
  }

  [[noreturn]] void lost(const char* what, error_code code) const {
    const bool refused = code == asio::error::connection_refused;
    throw Error{.code = ErrorCode::io_failure,
                .where = server_.text(),
                .found = code.message() + " (" + what + ")",
                .expected = "",
                .remedy = refused ? "Is the server running there? cce serve starts one; --server or "
                                    "CCE_SERVER names another."
                                  : ""};
  }

  const ServerUrl& server_;
  const ClientDeadlines& deadlines_;
  const ClientReceiver& receiver_;
  asio::io_context context_{1};
};

}  // namespace

std::string ClientHead::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? "" : found->second;
}

HttpClient::HttpClient(ServerUrl server, std::string token, ClientDeadlines deadlines)
    : server_(std::move(server)), token_(std::move(token)), deadlines_(deadlines) {}

ClientResponse HttpClient::send(const ClientRequest& request, std::int64_t limit_bytes) const {
  ClientResponse response;
  stream(request, {.head =
                       [&](const ClientHead& head) {
                         response.head = head;
                         return true;
                       },
                   .body =
                       [&](std::string_view part) {
                         response.body += part;
                         if (static_cast<std::int64_t>(response.body.size()) > limit_bytes) {
                           throw Error{.code = ErrorCode::io_failure,
                                       .where = server_.text() + server_.base_path + request.target,
                                       .found = "an answer that does not end",
                                       .expected = std::to_string(limit_bytes) + " bytes at most",
                                       .remedy = "Is this a cce server?"};
                         }
                         return true;
                       },
                   .idle = [] { return true; }});
  return response;
}

bool HttpClient::stream(const ClientRequest& request, const ClientReceiver& receiver) const {
  http::request<http::string_body> message;
  message.method_string(request.method);
  message.target(server_.base_path + request.target);
  message.version(11);
  message.set(http::field::host, server_.authority());
  message.set(http::field::user_agent, "cce/" + std::string(code_version));
  message.set(http::field::connection, "close");
  if (!token_.empty()) {
    message.set(http::field::authorization, "Bearer " + token_);
  }
  for (const auto& [name, value] : request.headers) {
    message.set(name, value);
  }
  if (!request.body.empty() || request.method == "POST") {
    message.body() = request.body;
    message.prepare_payload();
  }
  try {
    Exchange(server_, deadlines_, receiver).run(message);
    return true;
  } catch (const Stopped&) {
    return false;
  }
}

}  // namespace cce
