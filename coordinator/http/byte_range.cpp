#include "coordinator/http/byte_range.h"

#include <algorithm>

namespace cce {
namespace {

constexpr std::size_t most_digits = 18;  // what an int64 always holds

std::optional<std::int64_t> parse_position(std::string_view text) {
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty() || text.size() > most_digits || !digits) {
    return std::nullopt;
  }
  std::int64_t value = 0;
  for (const char digit : text) {
    value = value * 10 + (digit - '0');
  }
  return value;
}

}  // namespace

ByteRange choose_range(std::string_view range_header, std::int64_t total_bytes) {
  const ByteRange whole{.kind = ByteRange::Kind::whole, .first = 0, .bytes = total_bytes};
  const ByteRange none{.kind = ByteRange::Kind::unsatisfiable, .first = 0, .bytes = 0};
  constexpr std::string_view unit = "bytes=";
  if (!range_header.starts_with(unit)) {
    return whole;
  }
  const std::string_view range = range_header.substr(unit.size());
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos) {
    return whole;
  }
  const std::optional<std::int64_t> first = parse_position(range.substr(0, dash));
  const std::optional<std::int64_t> last = parse_position(range.substr(dash + 1));
  if (dash == 0) {  // the last N bytes
    if (!last) {
      return whole;
    }
    const std::int64_t bytes = std::min(*last, total_bytes);
    return bytes == 0 ? none : ByteRange{ByteRange::Kind::part, total_bytes - bytes, bytes};
  }
  const bool open_end = dash + 1 == range.size();
  if (!first || (!last && !open_end) || (last && *last < *first)) {
    return whole;
  }
  if (*first >= total_bytes) {
    return none;
  }
  const std::int64_t end = open_end ? total_bytes : std::min(*last + 1, total_bytes);
  return {ByteRange::Kind::part, *first, end - *first};
}

std::string content_range(const ByteRange& range, std::int64_t total_bytes) {
  const std::string total = std::to_string(total_bytes);
  if (range.kind == ByteRange::Kind::unsatisfiable) {
    return "bytes */" + total;
  }
  return "bytes " + std::to_string(range.first) + "-" + std::to_string(range.first + range.bytes - 1) + "/" +
         total;
}

}  // namespace cce
