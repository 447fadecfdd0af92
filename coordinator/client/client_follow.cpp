#include "coordinator/client/client_follow.h"

#include <algorithm>
#include <chrono>

#include "coordinator/client/client_sse.h"
#include "coordinator/page/report_rows.h"

namespace cce {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr double quiet_seconds = 0.4;         // after which what came is taken for all there is
constexpr double first_answer_seconds = 3.0;  // the same where nothing has come yet

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

StreamedItem read_item(const SseEvent& source) {
  StreamedItem item{.id = source.id,
                    .json = source.data,
                    .state = {},
                    .attempt = 0,
                    .error = std::nullopt,
                    .event = std::nullopt};
  if (source.name != "state") {
    item.event = parse_job_event(source.data, "event " + source.id);
    return item;
  }
  const Json document = parse_json(source.data, "event " + source.id);
  const Json& state = member_at(document, {"state"});
  const Json& attempt = member_at(document, {"attempt"});
  item.state = state.is_string() ? state.get<std::string>() : "";
  item.attempt = attempt.is_number_integer() ? attempt.get<std::int64_t>() : 0;
  item.error = parse_remote_error(member_at(document, {"error"}), ErrorCode::worker_died);
  return item;
}

class Follower {
 public:
  Follower(const ServiceClient& service, const std::string& id, const FollowOptions& options,
           const FollowCallbacks& callbacks)
      : service_(service), id_(id), options_(options), callbacks_(callbacks) {}

  FollowOutcome run() {
    outcome_.job = service_.job(id_);  // before anything else: an id that is wrong is not worth a retry
    const Json& position = member_at(outcome_.job.document, {"position"});
    newest_ = !options_.until_final && position.is_string() ? position.get<std::string>() : "";
    while (true) {
      read_once();
      if (!going_ || done()) {
        outcome_.stopped = !going_;
        return outcome_;
      }
      pause();
      if (!going_) {
        outcome_.stopped = true;
        return outcome_;
      }
    }
  }

 private:
  /// One connection, to its end, to its loss, or until nothing more is to be expected.
  void read_once() {
    SseParser parser([this](const SseEvent& event) { take(event); });
    last_bytes_ = SteadyClock::now();
    const ClientReceiver receiver{.head =
                                      [this](const ClientHead&) {
                                        connected();
                                        return true;
                                      },
                                  .body =
                                      [&](std::string_view part) {
                                        parser.add(part);
                                        return keep_going() && !reached_;
                                      },
                                  .idle = [this] { return keep_going() && !seems_over(); }};
    try {
      service_.events(id_, outcome_.last_id, receiver);
    } catch (const Error& error) {
      if (!is_connection_trouble(error)) {
        throw;
      }
      lost(error);
    }
  }

  void take(const SseEvent& event) {
    last_bytes_ = SteadyClock::now();
    has_items_ = true;
    const StreamedItem item = read_item(event);
    final_seen_ = is_final_state(item.state);
    callbacks_.item(item);
    outcome_.last_id = item.id;
    back_off_.start_again();
    reached_ = !newest_.empty() && item.id == newest_;
  }

  bool keep_going() {
    going_ = going_ && callbacks_.keep_going();
    return going_;
  }

  /// Whether the silence means that all was said: a final state may be followed by a later attempt.
  bool seems_over() const {
    if (reached_) {
      return true;
    }
    const double silence = seconds_since(last_bytes_);
    return options_.until_final ? final_seen_ && silence > quiet_seconds
                                : silence > (has_items_ ? quiet_seconds : first_answer_seconds);
  }

  bool done() {
    if (away_since_) {
      return false;
    }
    if (!options_.until_final) {
      return true;
    }
    if (!final_seen_) {
      return false;
    }
    try {
      outcome_.job = service_.job(id_);
    } catch (const Error& error) {
      if (!is_connection_trouble(error)) {
        throw;
      }
      lost(error);
      return false;
    }
    return is_final_state(outcome_.job.state);
  }

  void connected() {
    if (away_since_) {
      callbacks_.note("connected again");
    }
    away_since_.reset();
  }

  void lost(const Error& error) {
    if (!away_since_) {
      away_since_ = SteadyClock::now();
      callbacks_.note("connection lost (" + error.found + "); trying again");
    }
    if (seconds_since(*away_since_) > options_.give_up_seconds) {
      throw Error{.code = error.code,
                  .where = error.where,
                  .found = error.found,
                  .expected = error.expected,
                  .remedy = "The job goes on without this command: cce logs -f " + id_ +
                            " continues when the server is back."};
    }
  }

  /// In slices, so that keep_going is heard where the waiter hears nothing.
  void pause() {
    constexpr double slice_seconds = 0.1;
    for (double left = back_off_.next_seconds(); left > 0.0 && keep_going(); left -= slice_seconds) {
      going_ = service_.waiter()(std::min(left, slice_seconds));
    }
  }

  const ServiceClient& service_;
  const std::string& id_;
  const FollowOptions& options_;
  const FollowCallbacks& callbacks_;
  FollowOutcome outcome_;
  BackOff back_off_;
  std::string newest_;  // where the job's stream ended at the start, if it is known and matters
  SteadyClock::time_point last_bytes_;
  std::optional<SteadyClock::time_point> away_since_;
  bool final_seen_ = false;
  bool has_items_ = false;
  bool reached_ = false;
  bool going_ = true;
};

}  // namespace

FollowOutcome follow_job(const ServiceClient& service, const std::string& id, const FollowOptions& options,
                         const FollowCallbacks& callbacks) {
  return Follower(service, id, options, callbacks).run();
}

}  // namespace cce
