#include "coordinator/service/job_events.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

std::string line_of(std::int64_t seq, const std::string& type = "progress") {
  JobEvent event;
  event.seq = seq;
  event.time = 1.0;
  event.kind = event_kind_named(type);
  event.stage = "encode";
  return to_json_line(event);
}

class Events : public ::testing::Test {
 protected:
  void append(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  std::vector<std::int64_t> read() {
    std::vector<std::int64_t> found;
    for (const EventReader::Line& line : reader_.read_new()) {
      found.push_back(line.event.seq);
      EXPECT_EQ(read_lines(path_, line.offset, 1).at(0), line.text);
    }
    return found;
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "events.jsonl";
  EventReader reader_{path_};
};

using Seqs = std::vector<std::int64_t>;

TEST_F(Events, only_what_is_new_is_read) {
  EXPECT_EQ(read(), Seqs{});
  append(line_of(1) + "\n" + line_of(2) + "\n");
  EXPECT_EQ(read(), (Seqs{1, 2}));
  EXPECT_EQ(read(), Seqs{});
  append(line_of(3) + "\n");
  EXPECT_EQ(read(), (Seqs{3}));
}

TEST_F(Events, a_torn_line_waits_until_it_is_whole_or_written_again) {
  const std::string second = line_of(2);
  append(line_of(1) + "\n" + second.substr(0, 20));
  EXPECT_EQ(read(), (Seqs{1}));
  append(second.substr(20) + "\n");
  EXPECT_EQ(read(), (Seqs{2}));
  // A worker cuts a last line that it cannot read, line break or not, and writes its own.
  const auto good_bytes = std::filesystem::file_size(path_);
  append("{\"seq\":3,\"ti\n");
  EXPECT_EQ(read(), Seqs{});
  std::filesystem::resize_file(path_, good_bytes);
  append(line_of(3) + "\n");
  EXPECT_EQ(read(), (Seqs{3}));
}

TEST_F(Events, damage_is_told_after_what_stands_before_it) {
  append(line_of(1) + "\nnonsense\n" + line_of(2) + "\n");
  EXPECT_EQ(read(), (Seqs{1}));
  expect_error([&] { read(); }, ErrorCode::malformed_file, "event 2");
  expect_error([&] { read(); }, ErrorCode::malformed_file, "event 2");
}

TEST_F(Events, a_gap_in_seq_is_damage) {
  append(line_of(1) + "\n" + line_of(3) + "\n" + line_of(4) + "\n");
  EXPECT_EQ(read(), (Seqs{1}));
  expect_error([&] { read(); }, ErrorCode::malformed_file, "seq 3");
}

TEST_F(Events, the_index_holds_places_of_all_and_text_of_the_latest) {
  EventIndex index;
  constexpr std::int64_t events = 1500;
  for (std::int64_t seq = 1; seq <= events; ++seq) {
    append(line_of(seq) + "\n");
  }
  for (EventReader::Line& line : reader_.read_new()) {
    index.add(std::move(line));
  }
  ASSERT_EQ(index.count(), events);
  EXPECT_EQ(index.recent(events + 1), nullptr);
  EXPECT_EQ(index.recent(1), nullptr);
  EXPECT_EQ(*index.recent(events), line_of(events));
  const std::vector<std::string> lines = read_lines(path_, index.offset(700), 3);
  EXPECT_EQ(lines, (std::vector<std::string>{line_of(700), line_of(701), line_of(702)}));
  expect_error([&] { read_lines(path_, index.offset(events), 2); }, ErrorCode::io_failure, "fewer");
}

}  // namespace
}  // namespace cce
