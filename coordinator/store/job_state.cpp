#include "coordinator/store/job_state.h"

namespace cce {
namespace {

using enum JobState;
using enum JobAction;

constexpr JobTransition transitions[] = {
    {queued, submit, submitting},
    {queued, refuse, failed},  // its job directory could not be made
    {queued, request_cancel, cancelled},

    {submitting, refuse, failed},
    {submitting, give_up, lost},  // it may have been accepted: nobody knows
    {submitting, request_cancel, cancelling},
    {submitting, see_running, running},
    {submitting, see_completed, completed},
    {submitting, see_failed, failed},
    {submitting, see_cancelled, cancelled},
    {submitting, see_vanished, lost},

    {running, request_cancel, cancelling},
    {running, see_waiting, submitting},
    {running, see_completed, completed},
    {running, see_failed, failed},
    {running, see_cancelled, cancelled},
    {running, see_vanished, lost},

    {cancelling, refuse, cancelled},
    {cancelling, see_completed, completed},  // the last safe point was behind it
    {cancelling, see_failed, failed},
    {cancelling, see_cancelled, cancelled},
    {cancelling, see_vanished, cancelled},  // what was asked for

    {cancelled, resume, queued},
    {failed, resume, queued},

    {lost, resume, queued},
    {lost, request_cancel, cancelling},
    {lost, see_running, running},  // the scheduler knows it again
    {lost, see_waiting, submitting},
    {lost, see_completed, completed},
    {lost, see_failed, failed},
    {lost, see_cancelled, cancelled},
};

struct StateName {
  JobState state;
  std::string_view name;
};
constexpr StateName named_states[] = {{queued, "queued"},       {submitting, "submitting"},
                                      {running, "running"},     {cancelling, "cancelling"},
                                      {cancelled, "cancelled"}, {failed, "failed"},
                                      {completed, "completed"}, {lost, "lost"}};

}  // namespace

std::span<const JobTransition> job_transitions() {
  return transitions;
}

std::optional<JobState> next_state(JobState from, JobAction action) {
  for (const JobTransition& transition : transitions) {
    if (transition.from == from && transition.action == action) {
      return transition.to;
    }
  }
  return std::nullopt;
}

bool is_final(JobState state) {
  return state == cancelled || state == failed || state == completed || state == lost;
}

bool is_active(JobState state) {
  return state == submitting || state == running || state == cancelling;
}

std::string_view state_name(JobState state) {
  for (const StateName& entry : named_states) {
    if (entry.state == state) {
      return entry.name;
    }
  }
  return "";
}

std::vector<std::string> state_names() {
  std::vector<std::string> names;
  for (const JobState state : all_job_states) {
    names.emplace_back(state_name(state));
  }
  return names;
}

std::optional<JobState> parse_state(std::string_view name) {
  for (const StateName& entry : named_states) {
    if (entry.name == name) {
      return entry.state;
    }
  }
  return std::nullopt;
}

}  // namespace cce
