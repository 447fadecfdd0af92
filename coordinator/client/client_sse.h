#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace cce {

/// One server-sent event. `id` is the last one the stream has named, as the standard has it.
struct SseEvent {
  std::string id;
  std::string name;  ///< "message" where the stream names none
  std::string data;
};

/// Cuts a text/event-stream (HTML standard, section 9.2) into events as bytes arrive, in parts of any size.
/// Comments are skipped. Not thread-safe. Errors: malformed_file for an event of more than 4 MiB.
class SseParser {
 public:
  using Sink = std::function<void(const SseEvent&)>;
  explicit SseParser(Sink sink) : sink_(std::move(sink)) {}

  void add(std::string_view part);

 private:
  void take_line(std::string_view line);
  void check_size() const;

  Sink sink_;
  std::string line_, id_, name_, data_;
  bool has_data_ = false;
  bool after_return_ = false;  // a line ended in CR: an LF right after it belongs to it
};

}  // namespace cce
