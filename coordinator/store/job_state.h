#pragma once
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cce {

/// Where a job stands. submitting: handed to the scheduler, or about to be, and not seen running yet.
/// lost: the scheduler does not know its run, or gave no answer for too long; it is asked from time to time.
enum class JobState { queued, submitting, running, cancelling, cancelled, failed, completed, lost };

/// What moves a job. The first five come from the service, the others from what it sees of the run.
enum class JobAction {
  submit,          ///< committed before the scheduler is called
  refuse,          ///< the scheduler or the job directory will not take it, for good
  request_cancel,  ///< by a user
  resume,          ///< by a user: a new attempt
  give_up,         ///< the scheduler could not be reached in all the time allowed
  see_running,
  see_waiting,    ///< requeued by the scheduler after it ran: a node was lost
  see_completed,  ///< ended, with a result
  see_failed,     ///< ended, with an error or without saying how
  see_cancelled,  ///< ended at a safe point, or ended by a cancel inside or outside of the service
  see_vanished,   ///< the scheduler knows nothing of it any more
};

inline constexpr std::array all_job_states{JobState::queued,     JobState::submitting, JobState::running,
                                           JobState::cancelling, JobState::cancelled,  JobState::failed,
                                           JobState::completed,  JobState::lost};
inline constexpr std::array all_job_actions{
    JobAction::submit,     JobAction::refuse,        JobAction::request_cancel, JobAction::resume,
    JobAction::give_up,    JobAction::see_running,   JobAction::see_waiting,    JobAction::see_completed,
    JobAction::see_failed, JobAction::see_cancelled, JobAction::see_vanished};

struct JobTransition {
  JobState from;
  JobAction action;
  JobState to;
};

/// The whole state machine. What is not in it does not happen.
std::span<const JobTransition> job_transitions();

/// Where the action leads, if it is allowed there.
std::optional<JobState> next_state(JobState from, JobAction action);

/// No attempt is under way: cancelled, failed, completed, lost.
bool is_final(JobState state);
/// Counts against the runs at the scheduler: submitting, running, cancelling.
bool is_active(JobState state);

std::string_view state_name(JobState state);
std::vector<std::string> state_names();  ///< of all_job_states
std::optional<JobState> parse_state(std::string_view name);

}  // namespace cce
