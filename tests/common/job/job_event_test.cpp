#include "common/job/job_event.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

Clock counting_clock() {
  return [time = 100.0]() mutable { return time += 0.5; };
}

JobEvent event_of(const std::string& type) {
  JobEvent event;
  event.kind = event_kind_named(type);
  return event;
}

TEST(JobEventTest, a_line_reads_back_equal) {
  JobEvent event = event_of("error");
  event.seq = 12;
  event.time = 1767225600.125;
  event.stage = "encode";
  event.layer = 3;
  event.done = 4;
  event.total = 30;
  event.metrics = {{"loss", 0.1}, {"tokens_per_second", 1e6}};
  event.message = "two\nlines";
  event.ranks = {{"node-1", "cpu", 0}, {"", "", 4096}};
  event.error = Error{ErrorCode::disk_full, "a", "b", "c", "d"};
  const std::string line = to_json_line(event);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const JobEvent read_back = parse_job_event(line, "events");
  EXPECT_EQ(to_json_line(read_back), line);
  EXPECT_EQ(read_back.layer, 3);
  EXPECT_EQ(read_back.error->code, ErrorCode::disk_full);
  EXPECT_EQ(read_back.ranks[0].host, "node-1");
  EXPECT_EQ(read_back.ranks[1].peak_bytes, 4096);
  EXPECT_EQ(read_back.metric(Metric::loss), 0.1);
  EXPECT_EQ(read_back.metric(Metric::seconds), std::nullopt);
}

TEST(JobEventTest, damaged_lines_are_refused) {
  for (const char* line :
       {"", "{}", "[]", R"({"seq":0,"time":1,"type":"x"})", R"({"seq":1,"time":1})",
        R"({"seq":1,"time":1,"type":"x","metrics":{"a":"b"}})", R"({"seq":1,"time":1,"type":"x","extra":1})",
        R"({"seq":1,"time":1,"type":"x","error":{"code":"no_such"}})", R"({"seq":1,"time":1,"type":"x")"}) {
    EXPECT_THROW(parse_job_event(line, "events"), Error) << line;
  }
}

TEST(JobEventTest, kinds_and_metrics_have_names_of_their_own) {
  std::set<std::string_view> names;
  for (const EventKind kind : event_kinds()) {
    EXPECT_TRUE(names.insert(event_name(kind)).second) << event_name(kind);
    EXPECT_EQ(event_kind_named(event_name(kind)), kind);
  }
  names.clear();
  for (const MetricRow& row : metric_table()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(metric_name(row.metric), row.name);
  }
}

TEST(JobEventTest, a_kind_of_a_later_version_is_read_as_other) {
  EXPECT_EQ(parse_job_event(R"({"seq":1,"time":1,"type":"rested"})", "events").kind, EventKind::other);
}

class EventLogTest : public ::testing::Test {
 protected:
  TemporaryFolder temporary_;
  PosixFileSystem files_;
  FileSystem::Path path_ = temporary_ / "events.jsonl";

  void append_raw(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
};

TEST_F(EventLogTest, seq_continues_over_attempts) {
  {
    EventLog log(files_, path_, counting_clock());
    EXPECT_EQ(log.append(event_of("started")).seq, 1);
    EXPECT_EQ(log.append(event_of("progress")).seq, 2);
  }
  EventLog log(files_, path_, counting_clock());
  EXPECT_EQ(log.append(event_of("done")).seq, 3);
  const std::vector<JobEvent> events = read_events(files_, path_);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[2].kind, EventKind::done);
  EXPECT_EQ(events[0].time, 100.5);
}

TEST_F(EventLogTest, readers_take_up_where_they_were) {
  EXPECT_TRUE(read_events(files_, path_).empty());
  EventLog log(files_, path_, counting_clock());
  for (int i = 0; i < 5; ++i) {
    log.append(event_of("progress"));
  }
  append_raw(R"({"seq":6,"ti)");
  EXPECT_EQ(read_events(files_, path_, 3).size(), 2U);
  EXPECT_EQ(read_events(files_, path_, 0, 2).back().seq, 2);
  EXPECT_TRUE(read_events(files_, path_, 5).empty());
}

TEST_F(EventLogTest, every_torn_last_line_is_cut) {
  std::string line;
  {
    EventLog log(files_, path_, counting_clock());
    log.append(event_of("started"));
    line = to_json_line(log.append(event_of("progress"))) + "\n";
  }
  const std::string whole = files_.read_text(path_, 10000);
  for (std::size_t kept = 0; kept < line.size(); ++kept) {
    const std::string torn = whole.substr(0, whole.size() - line.size() + kept);
    files_.write_atomic(path_, torn);
    EventLog log(files_, path_, counting_clock());
    EXPECT_EQ(log.append(event_of("done")).seq, 2);
    EXPECT_EQ(read_events(files_, path_).size(), 2U) << kept;
  }
}

TEST_F(EventLogTest, a_last_line_of_garbage_is_cut_and_an_inner_one_refused) {
  EventLog(files_, path_, counting_clock()).append(event_of("started"));
  append_raw(std::string(7, '\0') + "\n");
  EXPECT_EQ(EventLog(files_, path_, counting_clock()).append(event_of("done")).seq, 2);
  append_raw("garbage\n{}\n");
  expect_error([&] { EventLog(files_, path_, counting_clock()); }, ErrorCode::malformed_file, "line 3");
  expect_error([&] { read_events(files_, path_); }, ErrorCode::malformed_file, "line 3");
}

}  // namespace
}  // namespace cce
