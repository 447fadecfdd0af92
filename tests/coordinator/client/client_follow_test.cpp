#include "coordinator/client/client_follow.h"

#include <gmock/gmock.h>

#include "coordinator/client/client_event_text.h"
#include "tests/common/error_matcher.h"
#include "tests/coordinator/client/client_fixture.h"

namespace cce {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string state_item(int number, int event, const std::string& state, const std::string& more = "") {
  return "id: " + std::to_string(number) + "." + std::to_string(event) +
         "\nevent: state\ndata: {\"number\": " + std::to_string(number) +
         ", \"time\": 1.5, \"attempt\": 1, \"state\": \"" + state + "\"" + more + "}\n\n";
}

std::string event_item(int number, int event) {
  return "id: " + std::to_string(number) + "." + std::to_string(event) +
         "\nevent: event\ndata: {\"seq\":" + std::to_string(event) +
         ",\"time\":2.0,\"type\":\"progress\",\"stage\":\"encode\",\"layer\":1,\"done\":" +
         std::to_string(event) + ",\"total\":9,\"metrics\":{}}\n\n";
}

/// A job's whole stream, of which each connection shows no more than `bytes`.
class CutStream {
 public:
  CutStream(std::vector<std::pair<std::string, std::string>> items, std::size_t bytes)
      : items_(std::move(items)), bytes_(bytes) {}

  std::string operator()(const std::string& request, std::size_t /*number*/) const {
    if (line_of(request).find("/events") == std::string::npos) {
      return ScriptedServer::json(job_text("completed", R"(, "position": ")" + items_.back().first + "\""));
    }
    const std::string last = header_of(request, "Last-Event-ID");
    std::string rest;
    bool after = last.empty();
    for (const auto& [id, text] : items_) {
      rest += after ? text : "";
      after = after || id == last;
    }
    return ScriptedServer::events(rest.substr(0, bytes_), rest.size() <= bytes_);
  }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
  std::size_t bytes_;
};

std::vector<std::pair<std::string, std::string>> whole_stream() {
  std::vector<std::pair<std::string, std::string>> items{{"1.0", state_item(1, 0, "queued")},
                                                         {"2.0", state_item(2, 0, "running")}};
  for (int event = 1; event <= 8; ++event) {
    items.emplace_back("2." + std::to_string(event), event_item(2, event));
  }
  items.emplace_back("3.8", state_item(3, 8, "completed"));
  return items;
}

struct Heard {
  std::vector<std::string> ids, notes;
  FollowCallbacks callbacks() {
    return {.item = [this](const StreamedItem& item) { ids.push_back(item.id); },
            .note = [this](const std::string& sentence) { notes.push_back(sentence); },
            .keep_going = [] { return true; }};
  }
};

TEST(ClientFollow, a_stream_cut_anywhere_comes_whole_once_and_in_order) {
  std::vector<std::string> expected;
  for (const auto& item : whole_stream()) {
    expected.push_back(item.first);
  }
  for (const std::size_t bytes : {130U, 131U, 150U, 190U, 210U, 257U, 300U, 500U, 999U, 5000U}) {
    ScriptedServer server{CutStream(whole_stream(), bytes)};
    Heard heard;
    const FollowOutcome outcome = follow_job(impatient_client(server), "j1", {}, heard.callbacks());
    EXPECT_EQ(heard.ids, expected) << "connections of " << bytes << " bytes";
    EXPECT_FALSE(outcome.stopped);
    EXPECT_EQ(outcome.last_id, "3.8");
    EXPECT_EQ(outcome.job.state, "completed");
  }
}

TEST(ClientFollow, says_that_the_connection_was_lost_and_is_back) {
  ScriptedServer server{CutStream(whole_stream(), 700)};
  Heard heard;
  follow_job(impatient_client(server), "j1", {}, heard.callbacks());
  ASSERT_GE(heard.notes.size(), 2U);
  EXPECT_THAT(heard.notes[0], HasSubstr("connection lost"));
  EXPECT_EQ(heard.notes[1], "connected again");
}

TEST(ClientFollow, a_final_state_with_a_later_attempt_is_not_the_end) {
  ScriptedServer server([](const std::string& request, std::size_t) {
    const bool later = header_of(request, "Last-Event-ID") == "2.0";
    if (line_of(request).find("/events") == std::string::npos) {
      return ScriptedServer::json(job_text("completed"));
    }
    return ScriptedServer::events(later ? state_item(3, 0, "running") + state_item(4, 0, "completed")
                                        : state_item(1, 0, "queued") + state_item(2, 0, "failed") +
                                              state_item(3, 0, "running") + state_item(4, 0, "completed"),
                                  true);
  });
  Heard heard;
  follow_job(impatient_client(server), "j1", {}, heard.callbacks());
  EXPECT_THAT(heard.ids, ElementsAre("1.0", "2.0", "3.0", "4.0"));
}

TEST(ClientFollow, what_happened_so_far_ends_at_the_jobs_position) {
  ScriptedServer server([](const std::string& request, std::size_t) {
    if (line_of(request).find("/events") == std::string::npos) {
      return ScriptedServer::json(job_text("running", R"(, "position": "2.1")"));
    }
    return ScriptedServer::events(state_item(1, 0, "queued") + state_item(2, 0, "running") + event_item(2, 1),
                                  true);
  });
  Heard heard;
  const FollowOutcome outcome = follow_job(impatient_client(server), "j1",
                                           {.until_final = false, .give_up_seconds = 5.0}, heard.callbacks());
  EXPECT_THAT(heard.ids, ElementsAre("1.0", "2.0", "2.1"));
  EXPECT_EQ(outcome.job.state, "running");
}

TEST(ClientFollow, stops_when_asked_to) {
  ScriptedServer server{CutStream(whole_stream(), 400)};
  Heard heard;
  FollowCallbacks callbacks = heard.callbacks();
  callbacks.keep_going = [&] { return heard.ids.size() < 2; };
  EXPECT_TRUE(follow_job(impatient_client(server), "j1", {}, callbacks).stopped);
}

TEST(ClientFollow, gives_up_on_a_server_that_stays_away_and_says_how_to_come_back) {
  ScriptedServer server([](const std::string& request, std::size_t) {
    return line_of(request).find("/events") == std::string::npos ? ScriptedServer::json(job_text("running"))
                                                                 : std::string("HTTP/1.1 20");
  });
  Heard heard;
  expect_error(
      [&] {
        follow_job(impatient_client(server), "j1", {.until_final = true, .give_up_seconds = 0.0},
                   heard.callbacks());
      },
      ErrorCode::io_failure, "cce logs -f j1");
}

TEST(ClientFollow, a_job_that_is_not_there_is_said_at_once) {
  ScriptedServer server([](const std::string&, std::size_t) {
    return ScriptedServer::response("404 Not Found", "application/problem+json",
                                    R"({"code": "not_found", "detail": "no job j9"})");
  });
  Heard heard;
  expect_error([&] { follow_job(impatient_client(server), "j9", {}, heard.callbacks()); },
               ErrorCode::missing_file, "no job j9");
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(ClientFollow, items_as_lines) {
  StreamedItem state;
  state.id = "4.9";
  state.json = R"({"number": 4, "time": 60, "state": "failed", "attempt": 2})";
  state.state = "failed";
  state.attempt = 2;
  state.error =
      Error{.code = ErrorCode::disk_full, .where = "/data", .found = "", .expected = "", .remedy = ""};
  EXPECT_THAT(stream_line(state), HasSubstr(":01:00  state failed  attempt 2  disk_full at /data"));
  StreamedItem item;
  item.event = JobEvent{};
  item.event->time = 60.0;
  item.event->kind = EventKind::progress;
  item.event->stage = "enc\x1B[2Jode";
  item.event->layer = 3;
  item.event->done = 4;
  item.event->total = 30;
  item.event->metrics = {{"tokens_per_second", 1100.0},
                         {"peak_bytes", 1048576.0},
                         {"eta_seconds", 12.0},
                         {"gradient_norm", 0.5}};
  EXPECT_THAT(
      stream_line(item),
      HasSubstr(":01:00  enc [2Jode  layer 3  13 %  1.10 k tokens/s  about 12.0 s left  peak 1.0 MiB  "
                "gradient_norm 0.5"));
}

}  // namespace
}  // namespace cce
