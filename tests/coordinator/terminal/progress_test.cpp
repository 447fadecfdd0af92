#include "coordinator/terminal/progress.h"

#include <gmock/gmock.h>

#include <sstream>

#include "coordinator/page/text_table.h"

namespace cce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

JobEvent event_of(const std::string& type, const std::string& stage, double time, std::int64_t done = 0,
                  std::int64_t total = 0) {
  JobEvent event;
  event.kind = event_kind_named(type);
  event.stage = stage;
  event.time = time;
  event.done = done;
  event.total = total;
  return event;
}

std::string shown(ProgressStyle style, const std::vector<JobEvent>& events) {
  std::ostringstream out;
  {
    Progress progress(out, style, {"calibrate", "encode"});
    for (const JobEvent& event : events) {
      progress.show(event);
    }
  }
  return out.str();
}

TEST(Progress, live_line_has_stage_layer_share_rate_time_left_and_memory) {
  JobEvent progress = event_of("progress", "encode", 110.0, 1, 4);
  progress.layer = 7;
  progress.metrics = {{"tokens_per_second", 11234.0}, {"peak_bytes", 2.0 * (1 << 30)}};
  const std::string text =
      shown({.live = true, .width = 200}, {event_of("stage_started", "encode", 100.0), progress});
  for (const char* part :
       {"[2/2] encode", "layer 7", "25 %", "11.2 k tokens/s", "about 30.0 s left", "peak 2.0 GiB", "\r"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_EQ(text.back(), '\n') << "the live line is ended";
}

TEST(Progress, live_line_fits_the_terminal) {
  JobEvent progress = event_of("progress", "encode", 110.0, 1, 4);
  progress.metrics = {{"tokens_per_second", 11234.0}, {"peak_bytes", 1e9}};
  const std::string text = shown({.live = true, .width = 30}, {progress});
  const std::string line = text.substr(text.find('K') + 1);
  EXPECT_LE(code_points(line), 30U);
}

TEST(Progress, plain_lines_come_now_and_then_without_control_characters) {
  std::vector<JobEvent> events{event_of("stage_started", "calibrate", 0.0)};
  for (int second = 1; second <= 30; ++second) {
    events.push_back(event_of("progress", "calibrate", second, second, 30));
  }
  events.push_back(event_of("stage_done", "calibrate", 31.0));
  const std::string text = shown({}, events);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5) << text;
  EXPECT_THAT(text, HasSubstr("[1/2] calibrate  done in 31.0 s"));
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  EXPECT_THAT(text, Not(HasSubstr("\r")));
}

TEST(Progress, quiet_says_nothing) {
  EXPECT_EQ(shown({.quiet = true, .live = true}, {event_of("stage_started", "calibrate", 0.0)}), "");
}

TEST(Progress, warnings_cannot_steer_the_terminal) {
  JobEvent warning = event_of("warning", "encode", 1.0);
  warning.message = "layer 3\033[2J needed more ridge";
  EXPECT_THAT(shown({}, {warning}), Not(HasSubstr("\033")));
}

struct StyleRow {
  const char* name;
  bool terminal;
  std::optional<std::string> term, no_color;
  bool live, color;
};
class Styles : public ::testing::TestWithParam<StyleRow> {};

TEST_P(Styles, follow_terminal_and_environment) {
  const ProgressStyle style =
      progress_style(GetParam().terminal, GetParam().term, GetParam().no_color, 0, false);
  EXPECT_EQ(style.live, GetParam().live);
  EXPECT_EQ(style.color, GetParam().color);
  EXPECT_EQ(style.width, 80);
}

const StyleRow style_rows[] = {{"terminal", true, "xterm", std::nullopt, true, true},
                               {"no_color", true, "xterm", "1", true, false},
                               {"empty_no_color", true, "xterm", "", true, true},
                               {"dumb", true, "dumb", std::nullopt, false, false},
                               {"no_term", true, std::nullopt, std::nullopt, false, false},
                               {"pipe", false, "xterm", std::nullopt, false, false}};
INSTANTIATE_TEST_SUITE_P(Progress, Styles, ::testing::ValuesIn(style_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(TextTable, aligns_by_code_points) {
  EXPECT_EQ(text_table({{"a", "bb"}, {"− é", "c"}}), "a    bb\n− é   c\n");
}

}  // namespace
}  // namespace cce
