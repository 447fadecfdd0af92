#include "coordinator/job_table.h"

#include "common/json_writer.h"
#include "coordinator/job_error_json.h"

namespace cce {
namespace {

constexpr std::size_t most_items = 1000;

std::string transition_json(const StoredTransition& transition) {
  std::string line = compact_json({{"number", transition.number},
                                   {"time", transition.time},
                                   {"state", state_name(transition.state)},
                                   {"attempt", transition.attempt}});
  if (transition.error) {
    line.pop_back();  // the closing bracket
    line.append(",\"error\":").append(error_to_json(*transition.error)).append("}");
  }
  return line;
}

Error no_such_job(const std::string& id) {
  return Error{.code = ErrorCode::missing_file,
               .where = "job " + id.substr(0, 60),
               .found = "no such job",
               .expected = "the id of a job of this server",
               .remedy = "'cce jobs' lists them."};
}

}  // namespace

struct JobTable::Entry {
  StoredJob job;
  JobProgress progress;
  EventIndex index;
  std::string waiting_reason;
  bool loaded = false;  ///< reader and index are there; else only what is stored
  std::uint64_t version = 0;
  JobViewPointer view;
  std::atomic<double> last_used = 0.0;

  std::mutex reading;  ///< guards the reader; the rest is memory_'s
  std::optional<EventReader> reader;

  /// Events known, or known to have been.
  std::int64_t event_count() const { return loaded ? index.count() : job.transitions.back().event; }
  std::int64_t first_event() const { return job.current ? job.current->first_event : 0; }
};

JobTable::JobTable(JobStore store, std::filesystem::path jobs, Clock clock)
    : store_(std::move(store)), jobs_(std::move(jobs)), clock_(std::move(clock)) {
  for (StoredJob& job : store_.load()) {
    auto entry = std::make_unique<Entry>();
    entry->job = std::move(job);
    by_id_[entry->job.id] = entry.get();
    publish(*entry);
    refresh_open(*entry);
    entries_[entry->job.number] = std::move(entry);
  }
  for (const std::int64_t number : open_) {
    load_events(*entries_.at(number));
  }
}

JobTable::~JobTable() = default;

JobTable::Entry& JobTable::find(const std::string& id) const {
  const std::lock_guard lock(memory_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) {
    throw no_such_job(id);
  }
  return *found->second;
}

// ---- clients

JobViewPointer JobTable::view(const std::string& id) {
  Entry& entry = find(id);
  load_events(entry);
  const std::lock_guard lock(memory_);
  return entry.view;
}

JobPage JobTable::page(std::optional<JobState> state, const std::string& after, std::size_t limit) const {
  const std::int64_t before = after.empty() ? 0 : find(after).job.number;
  const std::lock_guard lock(memory_);
  JobPage page;
  auto place = before == 0 ? entries_.end() : entries_.lower_bound(before);
  while (place != entries_.begin()) {
    --place;
    if (state && place->second->job.state != *state) {
      continue;
    }
    if (page.jobs.size() == limit) {
      page.next = page.jobs.back()->id;
      break;
    }
    page.jobs.push_back(place->second->view);
  }
  return page;
}

/// The order of a stream is fixed by what is stored: a transition stands after the events that were known
/// when it was made, and before all later ones.
std::vector<StreamItem> JobTable::stream(const std::string& id, const StreamPosition& after,
                                         std::size_t limit) {
  Entry& entry = find(id);
  load_events(entry);
  std::vector<StreamItem> items;
  std::vector<std::size_t> missing;  // items whose line is no longer in memory: a run of consecutive events
  std::int64_t missing_offset = 0;
  {
    const std::lock_guard lock(memory_);
    entry.last_used = clock_();
    StreamPosition place = after;
    const auto transitions = static_cast<std::int64_t>(entry.job.transitions.size());
    limit = std::min(limit, most_items);
    while (items.size() < limit) {
      const StoredTransition* next =
          place.state < transitions ? &entry.job.transitions[static_cast<std::size_t>(place.state)] : nullptr;
      if (next != nullptr && next->event <= place.event) {
        ++place.state;
        items.push_back({.position = place, .is_state = true, .json = transition_json(*next)});
      } else if (place.event < entry.index.count()) {
        ++place.event;
        const std::string* line = entry.index.recent(place.event);
        if (line == nullptr) {
          missing_offset = missing.empty() ? entry.index.offset(place.event) : missing_offset;
          missing.push_back(items.size());
        }
        items.push_back(
            {.position = place, .is_state = false, .json = line == nullptr ? std::string() : *line});
      } else {
        break;
      }
    }
  }
  if (!missing.empty()) {
    std::vector<std::string> lines = read_lines(folder(id) / "events.jsonl", missing_offset, missing.size());
    for (std::size_t i = 0; i < missing.size(); ++i) {
      items[missing[i]].json = std::move(lines[i]);
    }
  }
  return items;
}

std::map<JobState, std::int64_t> JobTable::count_by_state() const {
  std::map<JobState, std::int64_t> counts;
  for (const JobState state : all_job_states) {
    counts[state] = 0;
  }
  const std::lock_guard lock(memory_);
  for (const auto& [number, entry] : entries_) {
    ++counts[entry->job.state];
  }
  return counts;
}

// ---- moves

JobViewPointer JobTable::insert(NewJob job) {
  JobViewPointer view;
  {
    const std::lock_guard writing(writing_);
    job.time = clock_();
    auto entry = std::make_unique<Entry>();
    entry->job = store_.insert(job);
    const std::lock_guard lock(memory_);
    publish(*entry);
    refresh_open(*entry);
    view = entry->view;
    by_id_[job.id] = entry.get();
    const std::int64_t number = entry->job.number;
    entries_[number] = std::move(entry);
  }
  notify(job.id);
  return view;
}

JobViewPointer JobTable::move(const std::string& id, JobAction action, TransitionDetails details) {
  Entry& entry = find(id);
  load_events(entry);
  JobViewPointer view;
  {
    const std::lock_guard writing(writing_);
    const std::lock_guard reading(entry.reading);  // no event may slip in between the count and the move
    details.time = clock_();
    {
      const std::lock_guard lock(memory_);
      details.event = entry.event_count();
    }
    const StoredTransition transition = store_.apply(id, action, details);
    const std::lock_guard lock(memory_);
    StoredJob& job = entry.job;
    job.state = transition.state;
    job.attempt = transition.attempt;
    job.transitions.push_back(transition);
    entry.waiting_reason.clear();
    if (action == JobAction::submit) {
      job.current = StoredAttempt{.attempt = transition.attempt,
                                  .run_name = details.run_name,
                                  .scheduler_id = {},
                                  .first_event = transition.event,
                                  .submitted = transition.time};
      entry.progress.forget_outcome();
    } else if (action == JobAction::resume) {
      job.current.reset();
      entry.progress.forget_outcome();
    } else if (action == JobAction::see_running && job.current) {
      job.current->started = transition.time;
      job.current->ended = 0.0;
    } else if (is_final(transition.state) && job.current) {
      job.current->ended = transition.time;
    }
    refresh_open(entry);
    publish(entry);
    view = entry.view;
  }
  notify(id);
  return view;
}

void JobTable::record_submission(const std::string& id, std::int64_t attempt,
                                 const std::string& scheduler_id) {
  Entry& entry = find(id);
  {
    const std::lock_guard writing(writing_);
    store_.record_submission(id, attempt, scheduler_id);
    const std::lock_guard lock(memory_);
    if (entry.job.current) {
      entry.job.current->scheduler_id = scheduler_id;
    }
    publish(entry);
  }
  notify(id);
}

std::optional<StoredKey> JobTable::find_key(const std::string& key) {
  const std::lock_guard writing(writing_);
  return store_.find_key(key);
}

std::string JobTable::spec(const std::string& id) {
  find(id);
  const std::lock_guard writing(writing_);
  return store_.spec(id);
}

// ---- events

/// Makes reader and index for a job whose events are not in memory. What stands before a damaged line is
/// loaded; the engine meets that line again and makes it the job's error.
void JobTable::load_events(Entry& entry) {
  {
    const std::lock_guard lock(memory_);
    if (entry.loaded) {
      return;
    }
  }
  try {
    pull_events(entry, nullptr);
  } catch (const Error& error) {
    if (error.code != ErrorCode::malformed_file) {
      throw;
    }
  }
}

void JobTable::pull_events(Entry& entry, const std::function<void(const JobEvent&)>& on_event) {
  const std::lock_guard reading(entry.reading);
  if (!entry.reader) {
    entry.reader.emplace(folder(entry.job.id) / "events.jsonl");
    const std::lock_guard lock(memory_);
    entry.index = {};
    entry.progress = {};
    entry.last_used = clock_();
    entry.loaded = true;
    publish(entry);
  }
  bool more = true;
  while (more) {
    std::vector<EventReader::Line> lines = entry.reader->read_new();
    more = !lines.empty();
    if (on_event) {
      for (const EventReader::Line& line : lines) {
        on_event(line.event);
      }
    }
    const std::lock_guard lock(memory_);
    for (EventReader::Line& line : lines) {
      // Only what came after the attempt was submitted is its own last word.
      const bool is_of_this_attempt = entry.job.current && line.event.seq > entry.first_event();
      entry.progress.add(line.event);
      if (!is_of_this_attempt) {
        entry.progress.forget_outcome();
      }
      entry.index.add(std::move(line));
    }
    if (more) {
      publish(entry);
    }
  }
}

void JobTable::read_events(const std::string& id, const std::function<void(const JobEvent&)>& on_event) {
  Entry& entry = find(id);
  const auto version = [&] {
    const std::lock_guard lock(memory_);
    return entry.version;
  };
  const std::uint64_t before = version();
  pull_events(entry, on_event);
  if (version() != before) {
    notify(id);
  }
}

void JobTable::unload_idle(double seconds) {
  const double now = clock_();
  std::vector<Entry*> idle;
  {
    const std::lock_guard lock(memory_);
    for (const auto& [number, entry] : entries_) {
      if (entry->loaded && !open_.contains(number) && now - entry->last_used > seconds) {
        idle.push_back(entry.get());
      }
    }
  }
  for (Entry* entry : idle) {
    const std::lock_guard reading(entry->reading);
    const std::lock_guard lock(memory_);
    entry->reader.reset();
    entry->index = {};
    entry->loaded = false;
  }
}

// ---- the engine

std::vector<OpenJob> JobTable::open_jobs() const {
  const std::lock_guard lock(memory_);
  std::vector<OpenJob> jobs;
  for (const std::int64_t number : open_) {
    jobs.push_back(open_job(*entries_.at(number)));
  }
  return jobs;
}

OpenJob JobTable::open_job(const std::string& id) const {
  const Entry& entry = find(id);
  const std::lock_guard lock(memory_);
  return open_job(entry);
}

OpenJob JobTable::open_job(const Entry& entry) const {
  OpenJob open{.id = entry.job.id,
               .state = entry.job.state,
               .attempt = entry.job.attempt,
               .current = entry.job.current,
               .state_since = entry.job.transitions.back().time,
               .outcome = entry.progress.outcome};
  for (const StoredTransition& transition : entry.job.transitions) {
    if (transition.state == JobState::queued) {
      open.queued_since = transition.time;
    }
  }
  return open;
}

void JobTable::set_waiting_reason(const std::string& id, const std::string& reason) {
  Entry& entry = find(id);
  {
    const std::lock_guard lock(memory_);
    if (entry.waiting_reason == reason) {
      return;
    }
    entry.waiting_reason = reason;
    publish(entry);
  }
  notify(id);
}

void JobTable::refresh_open(const Entry& entry) {
  if (is_final(entry.job.state) && entry.job.state != JobState::lost) {
    open_.erase(entry.job.number);
  } else {
    open_.insert(entry.job.number);
  }
}

/// Replaces the view. The caller holds memory_, or nobody else knows the entry yet.
void JobTable::publish(Entry& entry) {
  auto view = std::make_shared<JobView>();
  const StoredJob& job = entry.job;
  const JobProgress& progress = entry.progress;
  view->id = job.id;
  view->state = job.state;
  view->attempt = job.attempt;
  view->waiting_reason = entry.waiting_reason;
  view->model = job.model;
  view->stages = job.stages;
  view->stage = progress.stage;
  view->done = progress.done;
  view->total = progress.total;
  view->layer = progress.layer;
  if (job.state == JobState::running || job.state == JobState::cancelling) {
    view->tokens_per_second = progress.tokens_per_second;
    view->eta_seconds = progress.eta_seconds;
  }
  view->ranks = progress.ranks;
  view->finished_stages = progress.finished_stages;
  view->metrics = progress.metrics;
  view->warnings = progress.warnings;
  view->error = job.transitions.back().error;
  view->times.created = job.created;
  if (job.current) {
    view->scheduler_id = job.current->scheduler_id;
    view->times.submitted = job.current->submitted;
    view->times.started = job.current->started;
    view->times.ended = job.current->ended;
  }
  view->position = {static_cast<std::int64_t>(job.transitions.size()), entry.event_count()};
  view->version = ++entry.version;
  entry.view = std::move(view);
}

void JobTable::notify(const std::string& id) const {
  if (listener_) {
    listener_(id);
  }
}

}  // namespace cce
