#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "coordinator/store/job_state.h"

namespace cce {

/// A place in a job's stream: so many state transitions and so many events of events.jsonl have been seen. As
/// text "STATE.EVENT", which is an SSE event's id and comes back as Last-Event-ID.
struct StreamPosition {
  std::int64_t state = 0;
  std::int64_t event = 0;
  friend auto operator<=>(const StreamPosition&, const StreamPosition&) = default;
};
std::string to_text(const StreamPosition& position);
/// Errors: malformed_request for anything but two whole numbers ≥ 0 and a dot.
StreamPosition parse_stream_position(std::string_view text);

/// One item of a job's stream: a state transition or a line of events.jsonl.
struct StreamItem {
  StreamPosition position;  ///< after this item
  bool is_state = false;    ///< SSE event name: "state", else "event"
  std::string json;         ///< one line; a state: {"number","time","state","attempt","error"?}
};

struct RankView {
  std::string host, device;
  std::int64_t peak_bytes = 0;
};

struct StageView {
  std::string stage;
  double seconds = 0.0;
  double tokens = 0.0;
  std::int64_t peak_bytes = 0;
};

struct JobTimes {  ///< seconds since 1970; 0 where it has not happened (in the current attempt, but for
                   ///< created)
  double created = 0.0;
  double submitted = 0.0;
  double started = 0.0;
  double ended = 0.0;
};

/// A job as clients see it. A value that never changes: a new one replaces it.
struct JobView {
  std::string id;
  JobState state = JobState::queued;
  std::int64_t attempt = 1;
  std::string scheduler_id;         ///< "" before the scheduler has accepted it
  std::string waiting_reason;       ///< in the scheduler's words; "" for none
  std::string model;                ///< the folder's name, for tables
  std::vector<std::string> stages;  ///< in the order in which they run
  std::string stage;                ///< the one at work, or the last one
  std::int64_t done = 0, total = 0, layer = -1;
  double tokens_per_second = 0.0;
  std::optional<double> eta_seconds;  ///< of the stage
  std::vector<RankView> ranks;
  std::vector<StageView> finished_stages;  ///< of the current attempt
  std::map<std::string, double> metrics;   ///< latest value of each that the worker reports
  std::vector<std::string> warnings;       ///< at most 20
  std::optional<Error> error;
  JobTimes times;
  StreamPosition position;    ///< of the newest item
  std::uint64_t version = 0;  ///< grows with every change: what was rendered from an equal one still holds
};
using JobViewPointer = std::shared_ptr<const JobView>;

struct JobPage {
  std::vector<JobViewPointer> jobs;  ///< newest first
  std::string next;                  ///< `after` of the next page; "" where there is none
};

}  // namespace cce
