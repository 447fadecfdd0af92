#pragma once
#include <array>
#include <cstddef>
#include <span>

#include "common/base/error.h"

namespace cce {

/// An Error as a message of fixed size: code (int32), then where, found, expected and remedy, each ended by a
/// zero byte; texts that do not fit are cut.
constexpr std::size_t abort_notice_bytes = 2048;
using AbortNotice = std::array<std::byte, abort_notice_bytes>;

AbortNotice encode_abort(const Error& cause);
Error decode_abort(std::span<const std::byte, abort_notice_bytes> notice);

}  // namespace cce
