#include "worker/text/text_windows.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "common/base/error.h"

namespace cce {
namespace {

[[noreturn]] void throw_too_short(const std::string& path, std::int64_t tokens, std::int64_t text_tokens,
                                  std::int64_t windows) {
  throw Error{.code = ErrorCode::text_too_short,
              .where = path,
              .found = std::to_string(tokens) + " tokens",
              .expected = "at least " + std::to_string(windows * text_tokens) + " tokens (" +
                          std::to_string(windows) + (windows == 1 ? " window of " : " windows of ") +
                          std::to_string(text_tokens) + ")",
              .remedy = "Use a longer text, fewer windows or a smaller calibration.length"};
}

/// The fewest windows of which a selection leaves one; 0 where no text is long enough.
std::int64_t windows_needed(std::int64_t first, std::optional<std::int64_t> last) {
  if (!last) return std::max<std::int64_t>(1, -first);
  if (first >= 0 && *last < 0) return first - *last + 1;
  if (first < 0 && *last >= 0) return std::max(-first, *last);
  return first < *last ? std::max({std::int64_t{1}, -first, *last}) : 0;
}

std::pair<std::int64_t, std::int64_t> select_windows(const TextSource& source, std::int64_t text_tokens,
                                                     std::int64_t tokens) {
  const std::int64_t count = tokens / text_tokens;
  const std::int64_t needed = windows_needed(source.first, source.last);
  if (needed > count) throw_too_short(source.path, tokens, text_tokens, needed);
  const std::int64_t last = source.last.value_or(count);
  const std::int64_t begin = source.first < 0 ? source.first + count : source.first;
  const std::int64_t end = last < 0 ? last + count : last;
  if (needed > 0 && begin < end) return {begin, end};
  throw Error{.code = ErrorCode::out_of_range,
              .where = source.path + ", windows " + std::to_string(source.first) + ":" +
                       (source.last ? std::to_string(*source.last) : ""),
              .found = "an empty selection of " + std::to_string(count) + " windows",
              .expected = "first < last, negative numbers counting from the end",
              .remedy = "Choose windows within the text"};
}

}  // namespace

TextWindows::TextWindows(TokenFile tokens, const TextSource& source, WindowShape shape)
    : tokens_(std::move(tokens)), shape_(std::move(shape)) {
  if (shape_.text_tokens() < 1) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "window length",
                .found = std::to_string(shape_.length),
                .expected = "at least " + std::to_string(shape_.begin_ids.size() + 1) + " tokens",
                .remedy = "Set calibration.length"};
  }
  std::tie(first_, last_) = select_windows(source, shape_.text_tokens(), tokens_.tokens());
}

std::vector<std::int32_t> TextWindows::window(std::int64_t index) const {
  if (index < 0 || index >= count()) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "window index",
                .found = std::to_string(index),
                .expected = "from 0 to " + std::to_string(count() - 1),
                .remedy = "Report this: it is a bug."};
  }
  std::vector<std::int32_t> ids = shape_.begin_ids;
  const std::vector<std::int32_t> text =
      tokens_.copy((first_ + index) * shape_.text_tokens(), shape_.text_tokens(), shape_.vocabulary_size);
  ids.insert(ids.end(), text.begin(), text.end());
  return ids;
}

}  // namespace cce
