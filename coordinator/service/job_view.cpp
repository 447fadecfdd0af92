#include "coordinator/service/job_view.h"

#include <charconv>

namespace cce {
namespace {

/// A whole number ≥ 0 that is all of `text`, at most 18 digits.
std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && end == text.data() + text.size() && value >= 0 &&
                    text.size() <= 18 && text.front() != '-';
  return good ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string to_text(const StreamPosition& position) {
  return std::to_string(position.state) + "." + std::to_string(position.event);
}

StreamPosition parse_stream_position(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot != std::string_view::npos && dot > 0 && dot + 1 < text.size()) {
    const std::optional<std::int64_t> state = whole_number(text.substr(0, dot));
    const std::optional<std::int64_t> event = whole_number(text.substr(dot + 1));
    if (state && event) {
      return {*state, *event};
    }
  }
  throw Error{.code = ErrorCode::malformed_request,
              .where = "position in a stream",
              .found = std::string(text.substr(0, 60)),
              .expected = "STATE.EVENT, two whole numbers",
              .remedy = "Send back the id of the last event received, or none."};
}

}  // namespace cce
