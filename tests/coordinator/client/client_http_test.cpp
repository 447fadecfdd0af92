#include <gmock/gmock.h>

#include "coordinator/client/http_client.h"
#include "tests/common/error_matcher.h"
#include "tests/coordinator/client/scripted_server.h"

namespace cce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ClientRequest get(const std::string& target) {
  return {.method = "GET", .target = target, .headers = {}, .body = {}};
}

ClientReceiver ignoring() {
  return {.head = [](const ClientHead&) { return true; },
          .body = [](std::string_view) { return true; },
          .idle = [] { return true; }};
}

struct UrlRow {
  const char *text, *host, *port, *base, *shown;
};

TEST(ClientUrl, is_read_whole) {
  for (const UrlRow& row : {UrlRow{"http://localhost:8642", "localhost", "8642", "", "http://localhost:8642"},
                            UrlRow{"http://10.0.0.7", "10.0.0.7", "80", "", "http://10.0.0.7"},
                            UrlRow{"https://cce.example/", "cce.example", "443", "", "https://cce.example"},
                            UrlRow{"https://a.b:8443/x/y/", "a.b", "8443", "/x/y", "https://a.b:8443/x/y"},
                            UrlRow{"http://[::1]:9", "::1", "9", "", "http://[::1]:9"}}) {
    const ServerUrl url = parse_server_url(row.text);
    EXPECT_EQ(url.host, row.host) << row.text;
    EXPECT_EQ(url.port, row.port) << row.text;
    EXPECT_EQ(url.base_path, row.base) << row.text;
    EXPECT_EQ(url.text(), row.shown) << row.text;
  }
}

TEST(ClientUrl, refuses_what_is_none) {
  for (const char* text : {"", "localhost:8642", "ftp://a", "http://", "http://a:0", "http://a:65536",
                           "http://a:b", "http://[::1", "http://user@a", "http://a/?q", "http://a/#f",
                           "http://a b", "http://a\r\nX: y", "http://[::1]x"}) {
    expect_error([&] { parse_server_url(text); }, ErrorCode::out_of_range, "--server");
  }
}

TEST(ClientUrl, encodes_what_a_path_may_not_hold) {
  EXPECT_EQ(percent_encoded("a b/ü%~"), "a%20b%2F%C3%BC%25~");
  EXPECT_EQ(percent_encoded("a b/c", true), "a%20b/c");
}

TEST(ClientHttp, sends_headers_token_and_body_and_reads_the_answer) {
  ScriptedServer server([](const std::string&, std::size_t) {
    return ScriptedServer::response("201 Created", "application/json", "{}", "X-Thing: yes\r\n");
  });
  const HttpClient client(parse_server_url(server.url() + "/base"), "secret");
  const ClientResponse response =
      client.send({.method = "POST", .target = "/v1", .headers = {{"X-Asked", "1"}}, .body = "[1]"});
  EXPECT_EQ(response.head.status, 201);
  EXPECT_EQ(response.head.header("x-thing"), "yes");
  EXPECT_EQ(response.head.header("absent"), "");
  EXPECT_EQ(response.body, "{}");
  const std::string request = server.requests().at(0);
  EXPECT_THAT(request, HasSubstr("POST /base/v1 HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Authorization: Bearer secret\r\n"));
  EXPECT_THAT(request, HasSubstr("X-Asked: 1\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\n\r\n[1]"));
}

TEST(ClientHttp, sends_no_authorization_without_a_token) {
  ScriptedServer server([](const std::string&, std::size_t) { return ScriptedServer::json("{}"); });
  HttpClient(parse_server_url(server.url()), "").send(get("/"));
  EXPECT_THAT(server.requests().at(0), Not(HasSubstr("Authorization")));
}

TEST(ClientHttp, an_answer_that_breaks_off_is_an_error_however_it_was_framed) {
  for (const std::string& bytes :
       {std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        ScriptedServer::events("data: x\n\n", false), std::string("HTTP/1.1 20"),
        std::string("nonsense\r\n\r\n")}) {
    ScriptedServer server([&](const std::string&, std::size_t) { return bytes; });
    expect_error([&] { HttpClient(parse_server_url(server.url()), "").send(get("/")); },
                 ErrorCode::io_failure, server.url());
  }
}

TEST(ClientHttp, a_server_that_is_not_there_is_named_with_a_remedy) {
  std::string url;
  {
    ScriptedServer gone([](const std::string&, std::size_t) { return std::string(); });
    url = gone.url();
  }
  expect_error([&] { HttpClient(parse_server_url(url), "").send(get("/")); }, ErrorCode::io_failure,
               "cce serve starts one");
}

TEST(ClientHttp, silence_ends_at_the_deadline) {
  ScriptedServer server([](const std::string&, std::size_t) { return std::string(); });
  const HttpClient client(parse_server_url(server.url()), "",
                          {.connect_seconds = 5.0, .silence_seconds = 0.2});
  expect_error([&] { client.send(get("/")); }, ErrorCode::deadline_exceeded, "waiting for the answer");
}

TEST(ClientHttp, the_receiver_stops_a_stream_at_any_point) {
  ScriptedServer talking([](const std::string&, std::size_t) { return ScriptedServer::json("{}"); });
  const HttpClient client(parse_server_url(talking.url()), "");
  EXPECT_TRUE(client.stream(get("/"), ignoring()));
  ClientReceiver receiver = ignoring();
  receiver.head = [](const ClientHead&) { return false; };
  EXPECT_FALSE(client.stream(get("/"), receiver));
  receiver = ignoring();
  receiver.body = [](std::string_view) { return false; };
  EXPECT_FALSE(client.stream(get("/"), receiver));
  ScriptedServer silent([](const std::string&, std::size_t) { return std::string(); });
  receiver = ignoring();
  receiver.idle = [] { return false; };
  EXPECT_FALSE(HttpClient(parse_server_url(silent.url()), "").stream(get("/"), receiver));
}

TEST(ClientHttp, a_body_without_end_is_refused) {
  const std::string body(5000, 'x');
  ScriptedServer server([&](const std::string&, std::size_t) { return ScriptedServer::json(body); });
  expect_error([&] { HttpClient(parse_server_url(server.url()), "").send(get("/"), 4000); },
               ErrorCode::io_failure, "does not end");
}

TEST(ClientHttp, https_is_not_spoken_to_a_server_that_does_not) {
  ScriptedServer server([](const std::string&, std::size_t) { return ScriptedServer::json("{}"); });
  const std::string url = std::string("https").append(server.url().substr(4));
  const HttpClient client(parse_server_url(url), "", {.connect_seconds = 0.5, .silence_seconds = 0.5});
  const Error error = error_of([&] { client.send(get("/")); });
  EXPECT_THAT(describe(error), HasSubstr("TLS handshake"));
}

}  // namespace
}  // namespace cce
