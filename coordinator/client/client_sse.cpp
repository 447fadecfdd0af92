#include "coordinator/client/client_sse.h"

#include "common/base/error.h"

namespace cce {
namespace {

constexpr std::size_t event_limit_bytes = std::size_t{4} << 20;

}  // namespace

void SseParser::add(std::string_view part) {
  for (const char character : part) {
    const bool ends_return = after_return_ && character == '\n';
    after_return_ = character == '\r';
    if (ends_return) {
      continue;
    }
    if (character == '\n' || character == '\r') {
      take_line(line_);
      line_.clear();
    } else {
      line_ += character;
      check_size();
    }
  }
}

void SseParser::take_line(std::string_view line) {
  if (line.empty()) {
    if (has_data_) {
      sink_({.id = id_, .name = name_.empty() ? "message" : name_, .data = data_});
    }
    name_.clear();
    data_.clear();
    has_data_ = false;
    return;
  }
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') {
    value.remove_prefix(1);
  }
  if (field == "data") {
    data_.append(has_data_ ? "\n" : "").append(value);
    has_data_ = true;
    check_size();
  } else if (field == "event") {
    name_ = value;
  } else if (field == "id" && value.find('\0') == std::string_view::npos) {
    id_ = value;
  }
}

void SseParser::check_size() const {
  if (line_.size() + data_.size() > event_limit_bytes) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = "event stream",
                .found = "an event of more than 4 MiB",
                .expected = "",
                .remedy = "Is this a cce server?"};
  }
}

}  // namespace cce
