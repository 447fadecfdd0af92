#include "worker/passes/reporter.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <span>
#include <sstream>

namespace cce {
namespace {

constexpr std::chrono::milliseconds shortest_interval{250};

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

std::int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{1024} * usage.ru_maxrss;  // Linux counts KiB
}

Reporter::Reporter(const JobDir& job, Communicator& communicator, EventLog* events, const Backend* backend)
    : job_(job), communicator_(communicator), events_(events), backend_(backend) {}

std::int64_t Reporter::own_peak_bytes() const {
  return backend_ != nullptr && !backend_->host_memory() ? static_cast<std::int64_t>(backend_->peak_bytes())
                                                         : peak_resident_bytes();
}

void Reporter::write(JobEvent event) {
  if (events_ != nullptr) {
    event.stage = stage_name(stage_);
    events_->append(std::move(event));
  }
}

void Reporter::stage_started(Stage stage) {
  stage_ = stage;
  started_ = std::chrono::steady_clock::now();
  last_written_ = started_ - shortest_interval;
  JobEvent event;
  event.kind = EventKind::stage_started;
  write(std::move(event));
}

void Reporter::progress(std::int64_t done, std::int64_t total, std::int64_t layer, double tokens,
                        const std::map<std::string, double>& metrics) {
  // Rank 0 alone looks: ranks that saw the file at different moments would part ways.
  std::array<double, 2> sums{communicator_.rank() == 0 && job_.cancel_requested() ? 1.0 : 0.0, tokens};
  communicator_.all_reduce_sum(std::span<double>(sums));
  if (sums[0] > 0.0) {
    throw Error{.code = ErrorCode::cancelled,
                .where = std::string(stage_name(stage_)) + " at " + std::to_string(done) + " of " +
                         std::to_string(total),
                .found = "a request to stop",
                .expected = "",
                .remedy = "Continue with 'cce resume " + job_.root().string() + "'."};
  }
  const Instant now = std::chrono::steady_clock::now();
  if (done < total && now - last_written_ < shortest_interval) {
    return;
  }
  last_written_ = now;
  const double elapsed = std::max(seconds_between(started_, now), 1e-9);
  JobEvent event;
  event.kind = EventKind::progress;
  event.layer = layer;
  event.done = done;
  event.total = total;
  event.metrics = metrics;
  event.set(Metric::peak_bytes, static_cast<double>(own_peak_bytes()));
  event.set(Metric::elapsed_seconds, elapsed);
  if (sums[1] > 0.0) {
    event.set(Metric::tokens_per_second, sums[1] / elapsed);
  }
  if (done > 0) {
    event.set(Metric::eta_seconds, elapsed * static_cast<double>(total - done) / static_cast<double>(done));
  }
  write(std::move(event));
}

void Reporter::stage_finished(double tokens, const std::map<std::string, double>& metrics) {
  std::vector<double> values(static_cast<std::size_t>(communicator_.size()) + 1, 0.0);
  values[0] = tokens;
  values[static_cast<std::size_t>(communicator_.rank()) + 1] = static_cast<double>(own_peak_bytes());
  communicator_.all_reduce_sum(std::span<double>(values));
  const double seconds = seconds_between(started_, std::chrono::steady_clock::now());
  share_warnings();
  JobEvent event;
  event.kind = EventKind::stage_done;
  event.metrics = metrics;
  event.set(Metric::seconds, seconds);
  event.set(Metric::peak_bytes, *std::max_element(values.begin() + 1, values.end()));
  event.set(Metric::tokens, values[0]);
  for (auto peak = values.begin() + 1; peak != values.end(); ++peak) {
    event.ranks.push_back({.host = "", .device = "", .peak_bytes = static_cast<std::int64_t>(*peak)});
  }
  write(std::move(event));
}

void Reporter::warning(const std::string& sentence) {
  new_warnings_.push_back(sentence);
}

void Reporter::share_warnings() {
  std::string lines;
  for (const std::string& sentence : new_warnings_) {
    lines += sentence + "\n";
  }
  new_warnings_.clear();
  for (const auto& blob : communicator_.all_gather(std::as_bytes(std::span(lines)))) {
    std::istringstream text(std::string(reinterpret_cast<const char*>(blob.data()), blob.size()));
    for (std::string sentence; std::getline(text, sentence);) {
      JobEvent event;
      event.kind = EventKind::warning;
      event.message = sentence;
      write(std::move(event));
    }
  }
}

}  // namespace cce
