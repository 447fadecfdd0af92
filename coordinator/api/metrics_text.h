#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "coordinator/http/http_handler.h"
#include "coordinator/service/job_metrics.h"

namespace cce {

/// What the server counts of its own requests: latency and bytes by method, route and status. Routes are
/// those of the router's table, so that no request can add a series. Threads may share it.
class HttpFigures {
 public:
  using Key = std::tuple<std::string, std::string, int>;  ///< method, route ("" for none), status
  struct Series {
    Histogram seconds;
    std::uint64_t bytes = 0;
  };

  void observe(const Exchange& exchange);
  std::map<Key, Series> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<Key, Series> series_;
};

/// Prometheus text format 0.0.4: every family with HELP and TYPE, label values escaped, histograms cumulated.
/// `resident_bytes`: this process's memory.
std::string metrics_text(const ServiceMetrics& service,
                         const std::map<HttpFigures::Key, HttpFigures::Series>& http,
                         std::int64_t resident_bytes);

/// Memory that this process holds now; 0 where the system does not say.
std::int64_t resident_bytes();

}  // namespace cce
