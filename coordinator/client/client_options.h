#pragma once
#include <string>

#include "coordinator/client/client_follow.h"
#include "coordinator/client/client_service.h"
#include "coordinator/terminal/signal_inbox.h"
#include "coordinator/terminal/surroundings.h"

namespace CLI {
class App;
}

namespace cce {

/// Which server, and as whom. From flags, else CCE_SERVER and CCE_TOKEN_FILE.
struct ServerOptions {
  std::string server;
  std::string token_file;
};

void add_server_options(CLI::App& command, ServerOptions& options);

/// The client of a command. Token files and their errors: one line of visible ASCII, readable by its owner
/// alone (missing_file, out_of_range). Errors: those of parse_server_url.
ServiceClient make_service_client(const ServerOptions& options, const Surroundings& surroundings,
                                  Waiter waiter);

/// Waits without looking at signals: for commands that a signal simply ends.
Waiter plain_waiter();

/// Follows a job with live progress on `err` (or, with `json`, its items as lines on `out`) until it ends or
/// a signal detaches. True where it ended completed; false where detached, with a note how to come back.
/// Errors: the job's own where it failed; cancelled; those of follow_job.
bool watch_job(const ServiceClient& service, SignalInbox& signals, const std::string& id,
               const Surroundings& surroundings, bool json, bool quiet);

}  // namespace cce
