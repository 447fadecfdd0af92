#pragma once
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "coordinator/http/http_server.h"

namespace cce {

namespace asio = boost::asio;

class HttpSession;

/// Completion of an awaited operation as (error, ...), never an exception.
inline constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

inline std::chrono::steady_clock::duration to_duration(double seconds) {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(seconds));
}

/// The latest events of one job, polled once for all clients that have caught up.
struct EventFeed {
  EventFeed(const StreamPosition& start, asio::io_context& io) : ring(start, most_bytes), pause(io) {}

  static constexpr std::size_t most_bytes = 256 * 1024;
  EventRing ring;
  bool ended = false;
  bool noticed = true;                    ///< something has come since the last look
  asio::steady_timer pause;               ///< between two looks; cancelled by a notice
  std::set<asio::steady_timer*> waiting;  ///< cancelled when there is something new
};

/// What the sessions of one server share. Belongs to the io thread; workers run only the tasks they are
/// given.
struct HttpShared {
  HttpShared(const HttpLimits& chosen, HttpHandler& behind)
      : limits(chosen), handler(behind), io(1), workers(static_cast<std::size_t>(chosen.workers)) {}

  const HttpLimits limits;
  HttpHandler& handler;
  bool stopping = false;
  std::size_t streams = 0;
  std::set<HttpSession*> sessions;
  std::map<std::string, std::weak_ptr<EventFeed>> feeds;
  asio::io_context io;  // after what its coroutines use: they end with it
  asio::thread_pool workers;

  /// The feed of a job's events; where there is none, one that starts at `from`. It is polled while anything
  /// holds it.
  std::shared_ptr<EventFeed> feed_of(const std::string& job_id, const StreamPosition& from);

  /// Runs `work` on a worker while the coroutine waits, at most `seconds`. Nothing where that time ran out:
  /// the work goes on, and what it returns is dropped.
  template <typename Work>
  auto on_worker(Work work, double seconds) -> asio::awaitable<std::optional<decltype(work())>>;

 private:
  asio::awaitable<void> poll_feed(std::string job_id, std::weak_ptr<EventFeed> watched);
};

template <typename Work>
auto HttpShared::on_worker(Work work, double seconds) -> asio::awaitable<std::optional<decltype(work())>> {
  struct Outcome {
    explicit Outcome(asio::io_context& context) : done(context) {}
    std::optional<decltype(work())> result;
    asio::steady_timer done;
  };
  auto outcome = std::make_shared<Outcome>(io);
  outcome->done.expires_after(to_duration(seconds));
  asio::post(workers, [this, outcome, task = std::move(work)]() mutable {
    auto result = task();
    asio::post(io, [finished = std::move(outcome), value = std::move(result)]() mutable {
      finished->result = std::move(value);
      finished->done.cancel();
    });
  });
  co_await outcome->done.async_wait(as_result);
  co_return std::move(outcome->result);
}

}  // namespace cce
