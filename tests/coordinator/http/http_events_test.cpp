// Event streams over a real connection: what a follower gets, when it ends, and that nobody can make it grow.
#include <set>

#include "coordinator/api/metrics_text.h"
#include "tests/coordinator/http/http_server_fixture.h"

namespace cce {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const char* const follow = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";

/// The event numbers of all ids in a response, in order.
std::vector<int> ids_in(const std::string& response) {
  std::vector<int> ids;
  constexpr std::string_view mark = "id: 1.";
  for (std::size_t at = response.find(mark); at != std::string::npos; at = response.find(mark, at)) {
    at += mark.size();
    ids.push_back(std::stoi(response.substr(at, 10)));
  }
  return ids;
}

std::vector<int> count_to(int last) {
  std::vector<int> numbers;
  for (int number = 1; number <= last; ++number) {
    numbers.push_back(number);
  }
  return numbers;
}

class HttpEventsTest : public HttpServerTest {};

TEST_F(HttpEventsTest, a_finished_job_is_sent_whole_and_the_stream_ends) {
  handler_.set_events(1234, true);
  start();
  RawClient client(port());
  client.send(follow);
  const std::string response = client.read_all();
  EXPECT_THAT(response, HasSubstr("transfer-encoding: chunked\r\n"));
  EXPECT_THAT(response, EndsWith("0\r\n\r\n"));
  EXPECT_EQ(ids_in(response), count_to(1234));
}

TEST_F(HttpEventsTest, without_following_what_is_there_is_sent_and_the_stream_ends) {
  handler_.set_events(700, false);
  start();
  RawClient client(port());
  client.send("GET /now HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(ids_in(client.read_all()), count_to(700));
}

TEST_F(HttpEventsTest, http_1_0_gets_it_without_chunks) {
  handler_.set_events(3, true);
  start();
  RawClient client(port());
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.read_all(), EndsWith("data: xxxxxxxxxx\n\n"));
}

TEST_F(HttpEventsTest, head_does_not_start_a_stream) {
  start();
  EXPECT_THAT(exchange("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpEventsTest, followers_get_every_event_once_as_they_come) {
  handler_.set_events(2, false);
  start();
  RawClient first(port());
  RawClient second(port());
  first.send(follow);
  second.send(follow);
  std::string seen_first = first.read_until("id: 1.2\n");
  std::string seen_second = second.read_until("id: 1.2\n");
  for (int count = 3; count <= 40; ++count) {
    handler_.set_events(count, count == 40);
    if (count % 2 == 0) {
      server_->notify("job");
    }
    seen_first += first.read_until("id: 1." + std::to_string(count) + "\n");
  }
  seen_first += first.read_all();
  seen_second += second.read_all();
  EXPECT_EQ(ids_in(seen_first), count_to(40));
  EXPECT_EQ(ids_in(seen_second), count_to(40));
}

TEST_F(HttpEventsTest, a_notice_wakes_followers_before_the_poll) {
  HttpLimits limits = short_limits();
  limits.poll_seconds = 60.0;
  start(limits);
  RawClient client(port());
  client.send(follow);
  client.read_until("\r\n\r\n");
  // A notice that comes before the feed exists is not lost: a new feed looks at once. Both orders pass here.
  handler_.set_events(1, true);
  server_->notify("job");
  EXPECT_EQ(ids_in(client.read_all()), count_to(1));
}

TEST_F(HttpEventsTest, silence_is_filled_with_comments) {
  HttpLimits limits = short_limits();
  limits.heartbeat_seconds = 0.05;
  start(limits);
  RawClient client(port());
  client.send(follow);
  EXPECT_THAT(client.read_until(": heartbeat\n\n"), EndsWith(": heartbeat\n\n"));
  EXPECT_THAT(client.read_until(": heartbeat\n\n"), EndsWith(": heartbeat\n\n"));
}

TEST_F(HttpEventsTest, streams_are_limited_and_given_back_when_clients_leave) {
  start();  // at most two
  auto first = std::make_unique<RawClient>(port());
  RawClient second(port());
  first->send(follow);
  second.send(follow);
  first->read_until("\r\n\r\n");
  second.read_until("\r\n\r\n");
  RawClient third(port());
  third.send(follow);
  const std::string refused = third.read_all();
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(refused, HasSubstr("retry-after: 5\r\n"));
  first.reset();
  ASSERT_EQ(handler_.wait_for_exchanges(2).size(), 2U);  // the refusal and the stream that ended
  RawClient fourth(port());
  fourth.send(follow);
  EXPECT_THAT(fourth.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpEventsTest, a_client_that_does_not_read_costs_no_memory_and_is_dropped) {
  HttpLimits limits = short_limits();
  limits.write_seconds = 0.2;
  handler_.event_bytes = 2000;
  handler_.set_events(100000, false);  // 200 MB
  start(limits);
  const std::int64_t before = resident_bytes();
  RawClient client(port(), 4096);
  client.send(follow);
  const std::vector<Exchange> seen = handler_.wait_for_exchanges(1);
  ASSERT_EQ(seen.size(), 1U) << "still connected";
  EXPECT_LT(seen[0].bytes, 50 << 20);
  EXPECT_LT(resident_bytes() - before, 50 << 20);
}

TEST_F(HttpEventsTest, stopping_ends_streams) {
  handler_.set_events(1, false);
  start();
  RawClient client(port());
  client.send(follow);
  client.read_until("id: 1.1\n");
  server_->stop();
  EXPECT_THAT(client.read_all(), EndsWith("0\r\n\r\n"));
  EXPECT_TRUE(client.closed());
}

}  // namespace
}  // namespace cce
