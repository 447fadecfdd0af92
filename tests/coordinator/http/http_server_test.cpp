#include "coordinator/http/http_server.h"

#include <fstream>

#include "common/base/error.h"
#include "tests/common/temporary_folder.h"
#include "tests/coordinator/http/http_server_fixture.h"

namespace cce {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct RequestRow {
  const char* name;
  std::string request;
  const char* starts_with;
  const char* contains;
};

class RequestTest : public HttpServerTest, public testing::WithParamInterface<RequestRow> {};

TEST_P(RequestTest, is_answered) {
  start();
  const std::string response = exchange(GetParam().request);
  EXPECT_THAT(response, StartsWith(GetParam().starts_with));
  EXPECT_THAT(response, HasSubstr(GetParam().contains));
}

INSTANTIATE_TEST_SUITE_P(
    Rows, RequestTest,
    testing::Values(
        RequestRow{"get", "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n",
                   "\r\n\r\nGET /a?b=c\n"},
        RequestRow{"body", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 200",
                   "POST /a\nabc"},
        RequestRow{"chunks",
                   "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                   "HTTP/1.1 200", "POST /a\nabcde"},
        RequestRow{"old", "GET /a HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n", "connection: close\r\n"},
        RequestRow{"close", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200",
                   "connection: close\r\n"},
        RequestRow{"two_at_once", "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
                   "HTTP/1.1 200", "GET /b\n"},
        RequestRow{"no_http", "\x16\x03\x01\x02hello\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n",
                   "malformed_request"},
        RequestRow{"bad_version", "GET / HTTP/9.9\r\n\r\n", "HTTP/1.1 400", "problem+json"},
        RequestRow{"bad_header", "GET / HTTP/1.1\r\nHost x\r\n\r\n", "HTTP/1.1 400", "problem+json"},
        RequestRow{"control_in_target", "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400",
                   "problem+json"},
        RequestRow{"bad_length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400",
                   "problem+json"},
        RequestRow{"two_lengths",
                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                   "HTTP/1.1 400", "problem+json"},
        RequestRow{
            "length_and_chunks",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 400", "problem+json"},
        RequestRow{"bad_chunk",
                   "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
                   "HTTP/1.1 400", "problem+json"},
        RequestRow{"long_header", "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(3000, 'a') + "\r\n\r\n",
                   "HTTP/1.1 431 Request Header Fields Too Large\r\n", "header_too_large"},
        RequestRow{"long_target", "GET /" + std::string(3000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n",
                   "HTTP/1.1 431", "header_too_large"},
        RequestRow{"long_body",
                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'a'),
                   "HTTP/1.1 413 Content Too Large\r\n", "body_too_large"},
        RequestRow{"long_chunk",
                   "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" +
                       std::string(5000, 'a') + "\r\n0\r\n\r\n",
                   "HTTP/1.1 413", "body_too_large"},
        RequestRow{"refused_by_its_header",
                   "POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 401",
                   "connection: close\r\n"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(HttpServerTest, a_connection_serves_many_requests) {
  start();
  RawClient client(port());
  for (int i = 0; i < 50; ++i) {
    client.send("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
    client.read_until("GET /" + std::to_string(i) + "\n");
    ASSERT_FALSE(client.closed());
  }
}

TEST_F(HttpServerTest, head_has_the_length_and_no_body) {
  start();
  const std::string response = exchange("HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(response, HasSubstr("content-length: 10\r\n"));
  EXPECT_THAT(response, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, a_body_that_waits_for_it_is_asked_for_only_if_the_header_is_good) {
  start();
  RawClient client(port());
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  EXPECT_THAT(client.read_until("abc"), HasSubstr("POST /a\nabc"));
  RawClient refused(port());
  refused.send("POST /refused HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_THAT(refused.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 401"));
}

TEST_F(HttpServerTest, a_slow_request_holds_up_no_other) {
  start();
  RawClient slow(port());
  slow.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(handler_.wait_until_called());
  EXPECT_THAT(exchange("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  handler_.release();
  EXPECT_THAT(slow.read_until("GET /wait\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, an_answer_that_takes_too_long_is_given_up) {
  HttpLimits limits = short_limits();
  limits.answer_seconds = 0.05;
  start(limits);
  EXPECT_THAT(exchange("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 504"));
}

/// What a connection does before it falls silent, and the limit that ends it.
struct SilenceRow {
  const char* name;
  double HttpLimits::*limit;
  const char* sent;
};

class SilentConnection : public HttpServerTest, public testing::WithParamInterface<SilenceRow> {};

TEST_P(SilentConnection, is_closed_at_its_limit_without_an_answer) {
  HttpLimits limits = short_limits();
  limits.*GetParam().limit = 0.05;
  start(limits);
  RawClient client(port());
  client.send(GetParam().sent);
  EXPECT_EQ(client.read_all(), "");
  EXPECT_TRUE(client.closed());
}

INSTANTIATE_TEST_SUITE_P(HttpServer, SilentConnection,
                         testing::Values(SilenceRow{"idle", &HttpLimits::idle_seconds, ""},
                                         SilenceRow{"in_the_header", &HttpLimits::header_seconds, "GET / HT"},
                                         SilenceRow{
                                             "in_the_body", &HttpLimits::body_seconds,
                                             "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na"}),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(HttpServerTest, more_connections_than_the_limit_wait) {
  HttpLimits limits = short_limits();
  limits.connections = 1;
  start(limits);
  auto first = std::make_unique<RawClient>(port());
  first->send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(first->read_until("GET /first\n"), StartsWith("HTTP/1.1 200"));
  RawClient second(port());
  second.send("GET /second HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(second.read_until("\n", 0.2), "");
  first.reset();
  EXPECT_THAT(second.read_until("GET /second\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, files_are_sent_from_where_the_slice_begins) {
  const TemporaryFolder folder;
  std::string content;
  for (int i = 0; i < 100000; ++i) {
    content += std::to_string(i) + ",";
  }
  std::ofstream(folder / "big") << content;
  handler_.file = open_beneath(folder.path(), "big");
  start();
  const std::string response = exchange("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::size_t body = response.find("\r\n\r\n") + 4;
  EXPECT_THAT(response, HasSubstr("content-length: " + std::to_string(content.size() - 1) + "\r\n"));
  EXPECT_EQ(response.substr(body), content.substr(1));
}

TEST_F(HttpServerTest, a_file_that_shrinks_ends_the_connection) {
  const TemporaryFolder folder;
  std::ofstream(folder / "big") << std::string(200000, 'a');
  handler_.file = open_beneath(folder.path(), "big");
  std::filesystem::resize_file(folder / "big", 1000);
  start();
  RawClient client(port());
  client.send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_LT(client.read_all().size(), 199999U);
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, exchanges_are_observed_with_their_route) {
  start();
  exchange("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::vector<Exchange> seen = handler_.wait_for_exchanges(1);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].route, "/a");
  EXPECT_EQ(seen[0].status, 200);
  EXPECT_EQ(seen[0].bytes, 7);
  EXPECT_GE(seen[0].seconds, 0.0);
}

TEST_F(HttpServerTest, stopping_closes_idle_connections_and_answers_open_requests) {
  start();
  RawClient idle(port());
  idle.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.read_until("GET /a\n");
  RawClient open(port());
  open.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(handler_.wait_until_called());
  server_->stop();
  EXPECT_EQ(idle.read_all(), "");
  EXPECT_TRUE(idle.closed());
  handler_.release();
  EXPECT_THAT(open.read_all(), HasSubstr("connection: close\r\n"));
  stop();
  EXPECT_THROW(RawClient{port()}, std::runtime_error);
}

TEST_F(HttpServerTest, stopping_waits_for_a_request_only_so_long) {
  HttpLimits limits = short_limits();
  limits.stop_seconds = 0.05;
  start(limits);
  RawClient open(port());
  open.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(handler_.wait_until_called());
  server_->stop();
  EXPECT_EQ(open.read_all(), "");
  EXPECT_TRUE(open.closed());
}

TEST(HttpServerErrorsTest, a_bad_address_and_a_taken_port_are_named) {
  FakeHandler handler;
  EXPECT_THROW(HttpServer({.address = "nowhere", .port = 0, .limits = {}}, handler), Error);
  const HttpServer first({.address = "127.0.0.1", .port = 0, .limits = {}}, handler);
  try {
    const HttpServer second({.address = "127.0.0.1", .port = first.port(), .limits = {}}, handler);
    ADD_FAILURE() << "two servers on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::io_failure);
    EXPECT_THAT(error.where, HasSubstr(std::to_string(first.port())));
  }
}

}  // namespace
}  // namespace cce
