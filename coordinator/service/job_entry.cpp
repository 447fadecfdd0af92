#include "coordinator/service/job_entry.h"

#include "common/base/error_json.h"

namespace cce {
namespace {

std::string transition_json(const StoredTransition& transition) {
  OrderedJson line = {{"number", transition.number},
                      {"time", transition.time},
                      {"state", state_name(transition.state)},
                      {"attempt", transition.attempt}};
  if (transition.error) {
    line["error"] = error_json(*transition.error);
  }
  return compact_json(line);
}

}  // namespace

JobEntry::JobEntry(StoredJob job) : job_(std::move(job)) {
  publish();
}

OpenJob JobEntry::open_job() const {
  OpenJob open{.id = job_.id,
               .state = job_.state,
               .attempt = job_.attempt,
               .current = job_.current,
               .state_since = job_.transitions.back().time,
               .last_word = progress_.last_word};
  for (const StoredTransition& transition : job_.transitions) {
    if (transition.state == JobState::queued) {
      open.queued_since = transition.time;
    }
  }
  return open;
}

StreamStretch JobEntry::stream(const StreamPosition& after, std::size_t limit) const {
  StreamStretch stretch;
  StreamPosition place = after;
  const auto transitions = static_cast<std::int64_t>(job_.transitions.size());
  while (stretch.items.size() < limit) {
    const StoredTransition* next =
        place.state < transitions ? &job_.transitions[static_cast<std::size_t>(place.state)] : nullptr;
    if (next != nullptr && next->event <= place.event) {
      ++place.state;
      stretch.items.push_back({.position = place, .is_state = true, .json = transition_json(*next)});
      continue;
    }
    if (place.event >= index_.count()) {
      break;
    }
    ++place.event;
    const std::string* line = index_.recent(place.event);
    if (line == nullptr) {
      stretch.missing_offset = stretch.missing.empty() ? index_.offset(place.event) : stretch.missing_offset;
      stretch.missing.push_back(stretch.items.size());
    }
    stretch.items.push_back(
        {.position = place, .is_state = false, .json = line == nullptr ? std::string() : *line});
  }
  return stretch;
}

void JobEntry::moved(JobAction action, const StoredTransition& transition, const std::string& run_name) {
  job_.state = transition.state;
  job_.attempt = transition.attempt;
  job_.transitions.push_back(transition);
  waiting_reason_.clear();
  if (action == JobAction::submit) {
    job_.current = StoredAttempt{.attempt = transition.attempt,
                                 .run_name = run_name,
                                 .scheduler_id = {},
                                 .first_event = transition.event,
                                 .submitted = transition.time};
    progress_.forget_last_word();
  } else if (action == JobAction::resume) {
    job_.current.reset();
    progress_.forget_last_word();
  } else if (action == JobAction::see_running && job_.current) {
    job_.current->started = transition.time;
    job_.current->ended = 0.0;
  } else if (is_final(transition.state) && job_.current) {
    job_.current->ended = transition.time;
  }
  publish();
}

void JobEntry::submission_recorded(const std::string& scheduler_id) {
  if (job_.current) {
    job_.current->scheduler_id = scheduler_id;
  }
  publish();
}

bool JobEntry::set_waiting_reason(const std::string& reason) {
  if (waiting_reason_ == reason) {
    return false;
  }
  waiting_reason_ = reason;
  publish();
  return true;
}

void JobEntry::begin_events() {
  index_ = {};
  progress_ = {};
  loaded_ = true;
  publish();
}

void JobEntry::add_events(std::vector<EventReader::Line> lines) {
  const bool has_new = !lines.empty();
  const std::int64_t first_event = job_.current ? job_.current->first_event : 0;
  for (EventReader::Line& line : lines) {
    // Only what came after the attempt was submitted is its own last word.
    const bool is_of_this_attempt = job_.current && line.event.seq > first_event;
    progress_.add(line.event);
    if (!is_of_this_attempt) {
      progress_.forget_last_word();
    }
    index_.add(std::move(line));
  }
  if (has_new) {
    publish();
  }
}

void JobEntry::unload_events() {
  index_ = {};
  loaded_ = false;
}

void JobEntry::publish() {
  auto view = std::make_shared<JobView>();
  view->id = job_.id;
  view->state = job_.state;
  view->attempt = job_.attempt;
  view->waiting_reason = waiting_reason_;
  view->model = job_.model;
  view->stages = job_.stages;
  view->stage = progress_.stage;
  view->done = progress_.done;
  view->total = progress_.total;
  view->layer = progress_.layer;
  if (job_.state == JobState::running || job_.state == JobState::cancelling) {
    view->tokens_per_second = progress_.tokens_per_second;
    view->eta_seconds = progress_.eta_seconds;
  }
  view->ranks = progress_.ranks;
  view->finished_stages = progress_.finished_stages;
  view->metrics = progress_.metrics;
  view->warnings = progress_.warnings;
  view->error = job_.transitions.back().error;
  view->times.created = job_.created;
  if (job_.current) {
    view->scheduler_id = job_.current->scheduler_id;
    view->times.submitted = job_.current->submitted;
    view->times.started = job_.current->started;
    view->times.ended = job_.current->ended;
  }
  view->position = {static_cast<std::int64_t>(job_.transitions.size()), event_count()};
  view->version = ++version_;
  view_ = std::move(view);
}

}  // namespace cce
