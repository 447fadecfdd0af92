#pragma once
#include <functional>
#include <optional>
#include <string>

#include "common/job/job_event.h"
#include "coordinator/client/client_service.h"

namespace cce {

/// One item of a job's stream.
struct StreamedItem {
  std::string id;                 ///< "STATE.EVENT": where the stream goes on after this item
  std::string json;               ///< as it came
  std::string state;              ///< of a change of state; "" for an event
  std::int64_t attempt = 0;       ///< of a change of state
  std::optional<Error> error;     ///< of a change of state
  std::optional<JobEvent> event;  ///< of an event
};

struct FollowCallbacks {
  std::function<void(const StreamedItem&)> item;
  std::function<void(const std::string&)> note;  ///< sentences about the connection
  std::function<bool()> keep_going;              ///< asked about ten times a second
};

struct FollowOptions {
  bool until_final = true;         ///< else until all that has happened so far was read
  double give_up_seconds = 600.0;  ///< how long the server may be away
};

struct FollowOutcome {
  bool stopped = false;  ///< keep_going said no
  std::string last_id;   ///< of the last item
  RemoteJob job;         ///< as it was at the end; empty where stopped
};

/// Reads a job's stream from its start. A connection that breaks is made again after a pause (BackOff) with
/// the id of the last item, so that every item comes once and in order. Ends when the job is in a final state
/// and all was read. Errors: those of ServiceClient::events that waiting does not mend; the last connection's
/// error after `give_up_seconds` without the server.
FollowOutcome follow_job(const ServiceClient& service, const std::string& id, const FollowOptions& options,
                         const FollowCallbacks& callbacks);

}  // namespace cce
