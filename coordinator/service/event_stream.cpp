#include "coordinator/service/event_stream.h"

#include <algorithm>

namespace cce {
namespace {

/// Both parts only grow from frame to frame, so a frame is due where one of its parts lies beyond the
/// position.
bool is_due(const EventFrame& frame, const StreamPosition& position) {
  return frame.position.state > position.state || frame.position.event > position.event;
}

}  // namespace

EventFrame make_frame(const StreamPosition& position, std::string_view name, std::string_view data) {
  EventFrame frame{.position = position, .text = "id: " + to_text(position) + "\nevent: "};
  frame.text += name;
  for (std::size_t begin = 0; begin <= data.size();) {
    const std::size_t end = std::min(data.find_first_of("\r\n", begin), data.size());
    frame.text += "\ndata: ";
    frame.text += data.substr(begin, end - begin);
    begin = end + 1;
  }
  frame.text += "\n\n";
  return frame;
}

std::string_view heartbeat_frame() {
  return ": heartbeat\n\n";
}

void EventRing::append(std::vector<EventFrame> frames) {
  for (EventFrame& frame : frames) {
    tail_ = frame.position;
    bytes_ += frame.text.size();
    frames_.push_back(std::move(frame));
  }
  while (bytes_ > most_bytes_ && frames_.size() > 1) {
    before_ = frames_.front().position;
    bytes_ -= frames_.front().text.size();
    frames_.pop_front();
  }
}

std::optional<EventFrame> EventRing::after(const StreamPosition& position, std::size_t most_bytes) const {
  if (position.state < before_.state || position.event < before_.event) {
    return std::nullopt;
  }
  EventFrame taken{.position = position, .text = {}};
  const auto first =
      std::partition_point(frames_.begin(), frames_.end(),
                           [&position](const EventFrame& frame) { return !is_due(frame, position); });
  for (auto frame = first; frame != frames_.end(); ++frame) {
    if (!taken.text.empty() && taken.text.size() + frame->text.size() > most_bytes) {
      break;
    }
    taken.text += frame->text;
    taken.position = frame->position;
  }
  return taken;
}

}  // namespace cce
