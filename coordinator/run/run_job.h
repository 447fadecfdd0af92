#pragma once
#include "common/job/job_dir.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/terminal/progress.h"
#include "coordinator/terminal/signal_inbox.h"

namespace cce {

/// How long a run may take and how long workers get to reach a safe point.
struct RunDeadlines {
  double run_seconds = 7200.0;
  double cancel_seconds = 120.0;
};

/// Runs one attempt at a job to its end, showing its events; JobRun judges it. Returns when it is done. Signals: the first asks
/// the workers to stop at a safe point and waits `cancel_seconds` for it, the second ends them at once.
/// Errors: the worker's own, from its `error` event; cancelled (remedy: how to resume); worker_died with the
/// end of the logs; deadline_exceeded after `run_seconds`; those of the scheduler.
void run_job(JobDir& job, Scheduler& scheduler, const Launch& launch, Progress& progress,
             SignalInbox& signals, const RunDeadlines& deadlines);

}  // namespace cce
