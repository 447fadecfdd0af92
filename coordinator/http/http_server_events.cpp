#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstdio>

#include "coordinator/http/http_server_session.h"
#include "coordinator/http/problem_json.h"

namespace cce {
namespace {

constexpr std::size_t frames_of_page = 500;
constexpr std::size_t bytes_of_write = 64 * 1024;

}  // namespace

asio::awaitable<void> HttpSession::stream(const HttpResponse& response, unsigned version) {
  if (shared_.streams >= shared_.limits.streams) {
    const HttpResponse full = problem_response(Problem{
        503, "too_many_streams", "Too many clients follow events. Try again later.", {{"retry-after", "5"}}});
    co_await write(full, false, false, version);
    co_return;
  }
  chunked_ = version >= 11;
  HttpResponse header = response;
  if (chunked_) {
    header.headers.emplace_back("transfer-encoding", "chunked");
  }
  std::string text = "HTTP/1.1 200 OK";
  for (const auto& [name, value] : header.headers) {
    text += "\r\n" + name + ": " + value;
  }
  text += "\r\nconnection: close\r\n\r\n";
  ++shared_.streams;
  const bool started = co_await write_bytes(text);
  if (started) {
    asio::co_spawn(
        shared_.io, [self = shared_from_this()]() { return self->watch_for_end(); }, asio::detached);
    co_await follow(*response.stream);
    if (chunked_ && !gone_) {
      co_await write_bytes("0\r\n\r\n");
    }
    gone_ = true;  // the watcher still reads the socket, so nothing else may
  }
  --shared_.streams;
}

/// A client sends nothing after its request: whatever arrives, or its end, ends the stream.
asio::awaitable<void> HttpSession::watch_for_end() {
  const auto self = shared_from_this();
  stream_.expires_never();
  co_await stream_.async_read_some(buffer_.prepare(1), as_result);
  gone_ = true;
  wake_.cancel();
}

/// Sends frames until the job is over, the client leaves or the server stops: first the pages that this
/// client lacks, then what the job's feed brings.
asio::awaitable<void> HttpSession::follow(StreamOrder order) {
  StreamPosition position = order.position;
  std::shared_ptr<EventFeed> feed;
  while (!gone_ && !shared_.stopping) {
    std::optional<EventFrame> next;
    if (feed) {
      next = feed->ring.after(position, bytes_of_write);
    }
    if (!next) {
      bool caught_up = false;
      const bool more = co_await catch_up(order, position, caught_up);
      if (!more || (caught_up && !order.follow)) {
        co_return;
      }
      if (caught_up && !feed) {
        feed = shared_.feed_of(order.job_id, position);
      }
    } else if (!next->text.empty()) {
      const bool written = co_await write_chunk(next->text);
      if (!written) {
        co_return;
      }
      position = next->position;
    } else {
      if (feed->ended) {
        co_return;
      }
      const bool more = co_await wait_for_events(*feed);
      if (!more) {
        co_return;
      }
    }
  }
}

/// One page read for this client alone. False: the stream ends.
asio::awaitable<bool> HttpSession::catch_up(const StreamOrder& order, StreamPosition& position,
                                            bool& caught_up) {
  HttpHandler* const handler = &shared_.handler;
  auto work = [handler, id = order.job_id, from = position] {
    return handler->events(id, from, frames_of_page);
  };
  const std::optional<EventPage> page =
      co_await shared_.on_worker(std::move(work), shared_.limits.answer_seconds);
  if (!page) {
    co_return false;
  }
  caught_up = page->frames.empty();
  std::string text;
  for (const EventFrame& frame : page->frames) {
    text += frame.text;
  }
  if (!text.empty()) {
    const bool written = co_await write_chunk(text);
    if (!written) {
      co_return false;
    }
    position = page->frames.back().position;
  }
  co_return !page->ended;
}

/// Waits for the feed, with a heartbeat where that takes long. False: the stream ends.
asio::awaitable<bool> HttpSession::wait_for_events(EventFeed& feed) {
  wake_.expires_after(to_duration(shared_.limits.heartbeat_seconds));
  feed.waiting.insert(&wake_);
  const auto [error] = co_await wake_.async_wait(as_result);
  feed.waiting.erase(&wake_);
  if (gone_ || shared_.stopping) {
    co_return false;
  }
  if (error) {  // cancelled: there is something new
    co_return true;
  }
  co_return co_await write_chunk(heartbeat_frame());
}

asio::awaitable<bool> HttpSession::write_chunk(std::string_view text) {
  bytes_ += static_cast<std::int64_t>(text.size());
  if (!chunked_) {
    co_return co_await write_bytes(text);
  }
  char size[24];
  const int digits = std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  std::string chunk(size, static_cast<std::size_t>(digits));
  chunk += text;
  chunk += "\r\n";
  co_return co_await write_bytes(chunk);
}

std::shared_ptr<EventFeed> HttpShared::feed_of(const std::string& job_id, const StreamPosition& from) {
  std::weak_ptr<EventFeed>& known = feeds[job_id];
  if (std::shared_ptr<EventFeed> feed = known.lock()) {
    return feed;
  }
  auto feed = std::make_shared<EventFeed>(from, io);
  known = feed;
  asio::co_spawn(io, poll_feed(job_id, feed), asio::detached);
  return feed;
}

/// Looks for new events after a notice, and regularly without one. A feed ends with its last follower.
asio::awaitable<void> HttpShared::poll_feed(std::string job_id, std::weak_ptr<EventFeed> watched) {
  while (!stopping) {
    StreamPosition from;
    if (const std::shared_ptr<EventFeed> feed = watched.lock(); feed && !feed->ended) {
      if (!feed->noticed) {
        feed->pause.expires_after(to_duration(limits.poll_seconds));
        co_await feed->pause.async_wait(as_result);
      }
      feed->noticed = false;
      from = feed->ring.tail();
    } else {
      break;
    }
    auto work = [source = &handler, job_id, from] { return source->events(job_id, from, frames_of_page); };
    std::optional<EventPage> page = co_await on_worker(std::move(work), limits.answer_seconds);
    const std::shared_ptr<EventFeed> feed = watched.lock();
    if (feed && page && (!page->frames.empty() || page->ended)) {
      feed->ended = page->ended;
      feed->noticed = page->frames.size() == frames_of_page;
      feed->ring.append(std::move(page->frames));
      for (asio::steady_timer* const waiting : feed->waiting) {
        waiting->cancel();
      }
    }
  }
  const auto known = feeds.find(job_id);
  if (known != feeds.end() && known->second.expired()) {
    feeds.erase(known);
  }
}

}  // namespace cce
