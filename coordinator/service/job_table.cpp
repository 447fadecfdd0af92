#include "coordinator/service/job_table.h"

#include <algorithm>

namespace cce {
namespace {

constexpr std::size_t most_items = 1000;

}  // namespace

JobTable::JobTable(JobStore store, std::filesystem::path jobs, Clock clock)
    : store_(std::move(store)), jobs_(std::move(jobs)), clock_(std::move(clock)) {
  for (StoredJob& job : store_.load()) {
    add(std::move(job));
  }
  for (const std::int64_t number : open_) {
    load_events(*entries_.at(number));
  }
}

JobTable::~JobTable() = default;

JobEntry& JobTable::find(const std::string& id) const {
  const std::lock_guard lock(memory_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) {
    throw job_not_found(id);
  }
  return *found->second;
}

bool JobTable::has(const std::string& id) const {
  const std::lock_guard lock(memory_);
  return by_id_.contains(id);
}

/// The caller holds memory_, or nobody else knows the table yet.
JobViewPointer JobTable::add(StoredJob job) {
  const std::int64_t number = job.number;
  std::unique_ptr<JobEntry>& entry = entries_[number];
  entry = std::make_unique<JobEntry>(std::move(job));
  by_id_[entry->job().id] = entry.get();
  refresh_open(*entry);
  return entry->view();
}

// ---- clients

JobViewPointer JobTable::view(const std::string& id) {
  JobEntry& entry = find(id);
  load_events(entry);
  const std::lock_guard lock(memory_);
  return entry.view();
}

JobPage JobTable::page(std::optional<JobState> state, const std::string& after, std::size_t limit) const {
  const std::int64_t before = after.empty() ? 0 : find(after).job().number;
  const std::lock_guard lock(memory_);
  JobPage page;
  auto place = before == 0 ? entries_.end() : entries_.lower_bound(before);
  while (place != entries_.begin()) {
    --place;
    if (state && place->second->job().state != *state) {
      continue;
    }
    if (page.jobs.size() == limit) {
      page.next = page.jobs.back()->id;
      break;
    }
    page.jobs.push_back(place->second->view());
  }
  return page;
}

std::vector<StreamItem> JobTable::stream(const std::string& id, const StreamPosition& after,
                                         std::size_t limit) {
  JobEntry& entry = find(id);
  load_events(entry);
  StreamStretch stretch;
  {
    const std::lock_guard lock(memory_);
    entry.last_used = clock_();
    stretch = entry.stream(after, std::min(limit, most_items));
  }
  if (!stretch.missing.empty()) {
    std::vector<std::string> lines =
        read_lines(folder(id) / "events.jsonl", stretch.missing_offset, stretch.missing.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      stretch.items[stretch.missing[i]].json = std::move(lines[i]);
    }
  }
  return std::move(stretch.items);
}

std::map<JobState, std::int64_t> JobTable::count_by_state() const {
  std::map<JobState, std::int64_t> counts;
  for (const JobState state : all_job_states) {
    counts[state] = 0;
  }
  const std::lock_guard lock(memory_);
  for (const auto& [number, entry] : entries_) {
    ++counts[entry->job().state];
  }
  return counts;
}

// ---- moves

JobViewPointer JobTable::insert(NewJob job) {
  JobViewPointer view;
  {
    const std::lock_guard writing(writing_);
    job.time = clock_();
    StoredJob stored = store_.insert(job);
    const std::lock_guard lock(memory_);
    view = add(std::move(stored));
  }
  notify(job.id);
  return view;
}

JobViewPointer JobTable::move(const std::string& id, JobAction action, TransitionDetails details) {
  JobEntry& entry = find(id);
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
    entry.moved(action, transition, details.run_name);
    refresh_open(entry);
    view = entry.view();
  }
  notify(id);
  return view;
}

void JobTable::record_submission(const std::string& id, std::int64_t attempt,
                                 const std::string& scheduler_id) {
  JobEntry& entry = find(id);
  {
    const std::lock_guard writing(writing_);
    store_.record_submission(id, attempt, scheduler_id);
    const std::lock_guard lock(memory_);
    entry.submission_recorded(scheduler_id);
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
void JobTable::load_events(JobEntry& entry) {
  {
    const std::lock_guard lock(memory_);
    if (entry.loaded()) {
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

void JobTable::pull_events(JobEntry& entry, const std::function<void(const JobEvent&)>& on_event) {
  const std::lock_guard reading(entry.reading);
  if (!entry.reader) {
    entry.reader.emplace(folder(entry.job().id) / "events.jsonl");
    entry.last_used = clock_();
    const std::lock_guard lock(memory_);
    entry.begin_events();
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
    entry.add_events(std::move(lines));
  }
}

void JobTable::read_events(const std::string& id, const std::function<void(const JobEvent&)>& on_event) {
  JobEntry& entry = find(id);
  const auto version = [&] {
    const std::lock_guard lock(memory_);
    return entry.version();
  };
  const std::uint64_t before = version();
  pull_events(entry, on_event);
  if (version() != before) {
    notify(id);
  }
}

void JobTable::unload_idle(double seconds) {
  const double now = clock_();
  std::vector<JobEntry*> idle;
  {
    const std::lock_guard lock(memory_);
    for (const auto& [number, entry] : entries_) {
      if (entry->loaded() && !open_.contains(number) && now - entry->last_used > seconds) {
        idle.push_back(entry.get());
      }
    }
  }
  for (JobEntry* entry : idle) {
    const std::lock_guard reading(entry->reading);
    const std::lock_guard lock(memory_);
    entry->reader.reset();
    entry->unload_events();
  }
}

// ---- the engine

std::vector<OpenJob> JobTable::open_jobs() const {
  const std::lock_guard lock(memory_);
  std::vector<OpenJob> jobs;
  for (const std::int64_t number : open_) {
    jobs.push_back(entries_.at(number)->open_job());
  }
  return jobs;
}

OpenJob JobTable::open_job(const std::string& id) const {
  const JobEntry& entry = find(id);
  const std::lock_guard lock(memory_);
  return entry.open_job();
}

void JobTable::set_waiting_reason(const std::string& id, const std::string& reason) {
  JobEntry& entry = find(id);
  bool is_new = false;
  {
    const std::lock_guard lock(memory_);
    is_new = entry.set_waiting_reason(reason);
  }
  if (is_new) {
    notify(id);
  }
}

void JobTable::refresh_open(const JobEntry& entry) {
  if (entry.is_open()) {
    open_.insert(entry.job().number);
  } else {
    open_.erase(entry.job().number);
  }
}

void JobTable::notify(const std::string& id) const {
  if (listener_) {
    listener_(id);
  }
}

}  // namespace cce
