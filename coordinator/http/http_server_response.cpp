#include <algorithm>
#include <boost/asio/write.hpp>

#include "coordinator/http/http_server_session.h"
#include "coordinator/http/problem_json.h"

namespace cce {
namespace {

constexpr std::int64_t slice_bytes = 64 * 1024;

bool may_have_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string header_text(const HttpResponse& response, bool keep_alive, unsigned version,
                        std::optional<std::int64_t> length) {
  std::string text = version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ";
  text += std::to_string(response.status) + " ";
  text += status_phrase(response.status);
  for (const auto& [name, value] : response.headers) {
    text += "\r\n" + name + ": " + value;
  }
  if (length) {
    text += "\r\ncontent-length: " + std::to_string(*length);
  }
  if (!keep_alive) {
    text += "\r\nconnection: close";
  } else if (version == 10) {
    text += "\r\nconnection: keep-alive";
  }
  text += "\r\n\r\n";
  return text;
}

}  // namespace

/// Header and body. False: the connection cannot be used any more.
asio::awaitable<bool> HttpSession::write(const HttpResponse& response, bool head_only, bool keep_alive,
                                         unsigned version) {
  const std::int64_t length =
      response.file ? response.file->bytes : static_cast<std::int64_t>(response.body.size());
  const bool has_body = may_have_body(response.status);
  std::string text =
      header_text(response, keep_alive, version, has_body ? std::optional(length) : std::nullopt);
  if (head_only || !has_body) {
    co_return co_await write_bytes(text);
  }
  bytes_ = length;
  if (!response.file) {
    text += response.body;
    co_return co_await write_bytes(text);
  }
  const bool started = co_await write_bytes(text);
  if (!started) {
    co_return false;
  }
  co_return co_await write_slice(*response.file);
}

/// False also where the file has become shorter than was announced: only closing the connection tells the
/// client.
asio::awaitable<bool> HttpSession::write_slice(FileSlice slice) {
  while (slice.bytes > 0) {
    const std::int64_t wanted = std::min(slice.bytes, slice_bytes);
    auto work = [file = slice.file, first = slice.first, wanted]() -> std::string {
      try {
        return file->read(first, wanted);
      } catch (const Error&) {
        return {};
      }
    };
    const std::optional<std::string> part =
        co_await shared_.on_worker(std::move(work), shared_.limits.answer_seconds);
    if (!part || static_cast<std::int64_t>(part->size()) != wanted) {
      co_return false;
    }
    const bool written = co_await write_bytes(*part);
    if (!written) {
      co_return false;
    }
    slice.first += wanted;
    slice.bytes -= wanted;
  }
  co_return true;
}

asio::awaitable<bool> HttpSession::write_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, static_cast<std::size_t>(slice_bytes));
    stream_.expires_after(to_duration(shared_.limits.write_seconds));
    const auto [error, sent] =
        co_await asio::async_write(stream_, asio::buffer(part.data(), part.size()), as_result);
    if (error) {
      co_return false;
    }
    bytes.remove_prefix(sent);
  }
  co_return true;
}

}  // namespace cce
