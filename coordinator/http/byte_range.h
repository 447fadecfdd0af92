#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cce {

/// What a Range header asks of a body of known size (RFC 9110 section 14).
struct ByteRange {
  enum class Kind { whole, part, unsatisfiable };
  Kind kind = Kind::whole;
  std::int64_t first = 0;
  std::int64_t bytes = 0;
};

/// "bytes=FIRST-LAST", "bytes=FIRST-" and "bytes=-SUFFIX". As the RFC allows, a header that does not parse,
/// of another unit, or with several ranges is answered with the whole body. A range beyond the end, an empty
/// suffix and any range of an empty body are unsatisfiable.
ByteRange choose_range(std::string_view range_header, std::int64_t total_bytes);

/// "bytes FIRST-LAST/TOTAL", or "bytes */TOTAL" for an unsatisfiable one.
std::string content_range(const ByteRange& range, std::int64_t total_bytes);

}  // namespace cce
