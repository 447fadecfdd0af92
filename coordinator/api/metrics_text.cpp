#include "coordinator/api/metrics_text.h"

#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string_view>
#include <utility>
#include <vector>

namespace cce {
namespace {

using Labels = std::vector<std::pair<std::string_view, std::string>>;

const std::vector<double> latency_bounds{0.001, 0.0025, 0.005, 0.01, 0.02, 0.05,
                                         0.1,   0.25,   0.5,   1.0,  5.0,  30.0};

std::string number(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value > 0.0 ? "+Inf" : "-Inf";
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.15g", value);
  return text;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char character : text) {
    if (character == '\n') {
      result += "\\n";
      continue;
    }
    if (character == '\\' || character == '"') {
      result += '\\';
    }
    result += character;
  }
  return result;
}

/// One metrics page, family after family.
class Page {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_.append("# HELP ").append(name).append(" ").append(help).append("\n");
    text_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
  }

  void sample(const Labels& labels, double value, std::string_view suffix = "") {
    text_.append(name_).append(suffix);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      text_.append(i == 0 ? "{" : ",").append(labels[i].first).append("=\"");
      text_.append(escaped(labels[i].second)).append("\"");
    }
    text_.append(labels.empty() ? " " : "} ").append(number(value)).append("\n");
  }

  void histogram(const Labels& labels, const Histogram& histogram) {
    double cumulated = 0.0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      cumulated += static_cast<double>(histogram.counts[i]);
      Labels bucket = labels;
      bucket.emplace_back("le",
                          i < histogram.upper_bounds.size() ? number(histogram.upper_bounds[i]) : "+Inf");
      sample(bucket, cumulated, "_bucket");
    }
    sample(labels, histogram.sum, "_sum");
    sample(labels, static_cast<double>(histogram.count), "_count");
  }

  std::string take() { return std::move(text_); }

 private:
  std::string name_, text_;
};

void add_jobs(Page& page, const ServiceMetrics& service) {
  page.family("cce_jobs", "gauge", "Jobs that are stored, by state.");
  for (const auto& [state, count] : service.jobs_by_state) {
    page.sample({{"state", std::string(state_name(state))}}, static_cast<double>(count));
  }
  page.family("cce_queue_seconds", "histogram", "Time from created or resumed until seen running.");
  page.histogram({}, service.queue_seconds);
  page.family("cce_stage_seconds", "histogram", "Time of finished stages.");
  for (const auto& [stage, seconds] : service.stage_seconds) {
    page.histogram({{"stage", stage}}, seconds);
  }
  page.family("cce_tokens_total", "counter", "Tokens that finished stages went through.");
  page.sample({}, service.tokens_total);
  page.family("cce_tensor_bytes_total", "counter", "Tensor bytes of completed jobs, before and after.");
  page.sample({{"when", "before"}}, service.tensor_bytes_before_total);
  page.sample({{"when", "after"}}, service.tensor_bytes_after_total);
  page.family("cce_perplexity", "gauge", "Perplexity on held-out text, of the latest completed jobs.");
  for (const PerplexityFigure& figure : service.perplexities) {
    page.sample({{"job", figure.job}, {"text", figure.text}, {"when", "before"}}, figure.before);
    page.sample({{"job", figure.job}, {"text", figure.text}, {"when", "after"}}, figure.after);
  }
  page.family("cce_scheduler_errors_total", "counter", "Calls of the scheduler that failed.");
  for (const auto& [call, count] : service.scheduler_errors_by_call) {
    page.sample({{"call", call}}, static_cast<double>(count));
  }
  page.family("cce_engine_errors_total", "counter", "Other failures of the engine's rounds.");
  page.sample({}, static_cast<double>(service.engine_errors));
}

}  // namespace

void HttpFigures::observe(const Exchange& exchange) {
  // A method is any word a client likes; only those of the table make a series.
  constexpr std::array<std::string_view, 4> known{"GET", "HEAD", "POST", "DELETE"};
  std::string method = "other";
  for (const std::string_view name : known) {
    if (exchange.method == name) {
      method = name;
    }
  }
  const std::lock_guard<std::mutex> hold(mutex_);
  const auto [entry, is_new] = series_.try_emplace(Key{method, exchange.route, exchange.status});
  if (is_new) {
    entry->second.seconds = Histogram(latency_bounds);
  }
  entry->second.seconds.observe(exchange.seconds);
  entry->second.bytes += static_cast<std::uint64_t>(exchange.bytes);
}

std::map<HttpFigures::Key, HttpFigures::Series> HttpFigures::all() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return series_;
}

std::string metrics_text(const ServiceMetrics& service,
                         const std::map<HttpFigures::Key, HttpFigures::Series>& http, std::int64_t resident) {
  Page page;
  add_jobs(page, service);
  const auto labels = [](const HttpFigures::Key& key) -> Labels {
    const auto& [method, route, status] = key;
    return {{"method", method}, {"route", route}, {"status", std::to_string(status)}};
  };
  page.family(
      "cce_http_request_seconds", "histogram",
      "Time from a request's header to the end of its response; of event streams, how long they were open.");
  for (const auto& [key, series] : http) {
    page.histogram(labels(key), series.seconds);
  }
  page.family("cce_http_response_bytes_total", "counter", "Bytes of response bodies.");
  for (const auto& [key, series] : http) {
    page.sample(labels(key), static_cast<double>(series.bytes));
  }
  page.family("process_resident_memory_bytes", "gauge", "Memory that the server holds.");
  page.sample({}, static_cast<double>(resident));
  return page.take();
}

std::int64_t resident_bytes() {
  std::ifstream facts("/proc/self/statm");
  std::int64_t total_pages = 0, resident_pages = 0;
  if (!(facts >> total_pages >> resident_pages)) {
    return 0;
  }
  return resident_pages * ::sysconf(_SC_PAGESIZE);
}

}  // namespace cce
