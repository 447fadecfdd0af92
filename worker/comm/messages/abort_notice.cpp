#include "worker/comm/messages/abort_notice.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

namespace cce {
namespace {

constexpr std::size_t text_limit = (abort_notice_bytes - sizeof(std::int32_t)) / 4 - 1;

}  // namespace

AbortNotice encode_abort(const Error& cause) {
  AbortNotice notice{};
  const auto code = static_cast<std::int32_t>(cause.code);
  std::memcpy(notice.data(), &code, sizeof(code));
  std::size_t position = sizeof(code);
  for (const std::string* text : {&cause.where, &cause.found, &cause.expected, &cause.remedy}) {
    const std::size_t length = std::min(text->size(), text_limit);
    std::memcpy(notice.data() + position, text->data(), length);
    position += length + 1;
  }
  return notice;
}

Error decode_abort(std::span<const std::byte, abort_notice_bytes> notice) {
  Error cause;
  std::int32_t code = 0;
  std::memcpy(&code, notice.data(), sizeof(code));
  cause.code = static_cast<ErrorCode>(code);
  auto position = notice.begin() + sizeof(code);
  for (std::string* text : {&cause.where, &cause.found, &cause.expected, &cause.remedy}) {
    const auto end = std::find(position, notice.end(), std::byte{0});
    text->resize(static_cast<std::size_t>(end - position));
    std::transform(position, end, text->begin(), [](std::byte value) { return static_cast<char>(value); });
    position = end == notice.end() ? end : end + 1;
  }
  return cause;
}

}  // namespace cce
