#include "coordinator/service/event_stream.h"

#include <gtest/gtest.h>

namespace cce {
namespace {

EventFrame frame(std::int64_t event, std::size_t bytes = 100) {
  return {.position = {.state = 1, .event = event}, .text = std::string(bytes, 'x')};
}

TEST(FrameTest, has_id_name_and_data) {
  EXPECT_EQ(make_frame({.state = 2, .event = 17}, "event", R"({"seq":17})").text,
            "id: 2.17\nevent: event\ndata: {\"seq\":17}\n\n");
}

TEST(FrameTest, a_line_break_in_data_cannot_end_the_frame) {
  EXPECT_EQ(make_frame({.state = 1, .event = 1}, "event", "a\n\nevent: fake\rb").text,
            "id: 1.1\nevent: event\ndata: a\ndata: \ndata: event: fake\ndata: b\n\n");
}

TEST(EventRingTest, gives_each_reader_what_it_has_not_seen) {
  EventRing ring({.state = 1, .event = 0}, 10000);
  EXPECT_TRUE(ring.after({.state = 1, .event = 0}, 1000)->text.empty());
  ring.append({frame(1), frame(2), frame(3)});
  const auto first = ring.after({.state = 1, .event = 1}, 1000);
  EXPECT_EQ(first->text.size(), 200U);
  EXPECT_EQ(first->position.event, 3);
  EXPECT_TRUE(ring.after({.state = 1, .event = 3}, 1000)->text.empty());
  EXPECT_EQ(ring.after({.state = 1, .event = 3}, 1000)->position.event, 3);
}

TEST(EventRingTest, takes_whole_frames_up_to_the_limit_and_at_least_one) {
  EventRing ring({.state = 1, .event = 0}, 10000);
  ring.append({frame(1), frame(2), frame(3)});
  EXPECT_EQ(ring.after({.state = 1, .event = 0}, 250)->position.event, 2);
  EXPECT_EQ(ring.after({.state = 1, .event = 0}, 10)->position.event, 1);
}

TEST(EventRingTest, the_oldest_make_room_and_who_is_further_back_is_told) {
  EventRing ring({.state = 1, .event = 0}, 1000);
  for (std::int64_t event = 1; event <= 100; ++event) {
    ring.append({frame(event)});
  }
  EXPECT_FALSE(ring.after({.state = 1, .event = 0}, 1000));
  EXPECT_FALSE(ring.after({.state = 1, .event = 89}, 1000));
  const auto oldest = ring.after({.state = 1, .event = 90}, 100000);
  ASSERT_TRUE(oldest);
  EXPECT_EQ(oldest->text.size(), 1000U);
  EXPECT_EQ(ring.tail().event, 100);
}

TEST(EventRingTest, a_reader_before_its_start_is_told) {
  const EventRing ring({.state = 2, .event = 5}, 1000);
  EXPECT_FALSE(ring.after({.state = 1, .event = 5}, 1000));
  EXPECT_TRUE(ring.after({.state = 2, .event = 5}, 1000));
}

TEST(EventRingTest, states_and_events_count_apart) {
  EventRing ring({.state = 1, .event = 7}, 1000);
  ring.append({{.position = {.state = 2, .event = 7}, .text = "state"}});
  EXPECT_EQ(ring.after({.state = 1, .event = 7}, 1000)->text, "state");
  EXPECT_TRUE(ring.after({.state = 2, .event = 7}, 1000)->text.empty());
}

}  // namespace
}  // namespace cce
