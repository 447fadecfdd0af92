#pragma once
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/service/job_view.h"

namespace cce {

/// One server-sent event, ready to be written, and where a reader stands once it has it.
struct EventFrame {
  StreamPosition position;
  std::string text;
};

/// The next frames of a job in order. `ended`: the job is over and nothing follows these frames for now.
struct EventPage {
  std::vector<EventFrame> frames;
  bool ended = false;
};

/// "id: STATE.EVENT\nevent: NAME\ndata: LINE\n\n"; `data` is split into one data line per line.
EventFrame make_frame(const StreamPosition& position, std::string_view name, std::string_view data);

/// What is sent when nothing else was for a while, so that both ends notice a dead connection.
std::string_view heartbeat_frame();

/// The latest frames of one job, shared by all who follow it: those at its end take them from here, those
/// further back read pages of their own. Holds at most `most_bytes` of text. Not thread-safe.
class EventRing {
 public:
  /// `start` is where the first frame to come follows.
  EventRing(StreamPosition start, std::size_t most_bytes)
      : tail_(start), before_(start), most_bytes_(most_bytes) {}

  /// Frames that follow tail(); the oldest make room.
  void append(std::vector<EventFrame> frames);
  /// The position of the newest frame.
  const StreamPosition& tail() const { return tail_; }

  /// What one write sends to a reader at `position`: whole frames, at least one, up to about `most_bytes`,
  /// with the reader's new position. Empty text: nothing new. Nothing where the reader is further back than
  /// the ring.
  std::optional<EventFrame> after(const StreamPosition& position, std::size_t most_bytes) const;

 private:
  std::deque<EventFrame> frames_;
  StreamPosition tail_;
  StreamPosition before_;  // of the frame that left last: a reader exactly there can still take all frames
  std::size_t most_bytes_;
  std::size_t bytes_ = 0;
};

}  // namespace cce
