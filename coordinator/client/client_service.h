#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/client/client_job.h"
#include "coordinator/client/http_client.h"

namespace cce {

/// Waits so many seconds; false where the user does not want to wait any longer.
using Waiter = std::function<bool(double seconds)>;

/// Pauses between tries: 0.25 s, doubling up to 10 s, each varied by up to a quarter so that many clients do
/// not come back at once.
class BackOff {
 public:
  double next_seconds();
  void start_again() { tries_ = 0; }

 private:
  int tries_ = 0;
};

/// A file of a job's result.
struct Artifact {
  std::string path;  ///< relative, with plain names only
  std::int64_t bytes = 0;
};

/// The REST interface as calls. What may be repeated (reading, cancelling, a submit with its key) is tried
/// `tries` times where the server is not reached or busy (429, 502, 503, 504). Errors of every call: those of
/// HttpClient; the server's problems as the Error they describe: missing_file for a job that is not there,
/// impossible_combination for a token that is missing or wrong.
/// One thread at a time.
class ServiceClient {
 public:
  ServiceClient(HttpClient client, Waiter waiter, int tries = 5);

  RemoteJob submit(const std::string& recipe_json, const std::string& idempotency_key) const;
  /// All pages. `state`: "" for every state; `most`: stops after so many.
  std::vector<RemoteJob> jobs(const std::string& state, std::size_t most) const;
  RemoteJob job(const std::string& id) const;
  RemoteJob cancel(const std::string& id) const;
  RemoteJob resume(const std::string& id, bool other_numerics = false) const;
  std::string report(const std::string& id) const;
  std::vector<Artifact> artifacts(const std::string& id) const;

  /// One connection's worth of a job's events; see HttpClient::stream. A status that is not 200 becomes an
  /// Error.
  bool events(const std::string& id, const std::string& last_event_id, const ClientReceiver& receiver) const;

  /// One connection's worth of a file from `offset` on. `receiver.head` sees 200, 206 and 416 only.
  bool artifact(const std::string& id, const std::string& path, std::int64_t offset,
                const std::string& if_range, const ClientReceiver& receiver) const;

  const Waiter& waiter() const { return waiter_; }
  std::string server_text() const { return client_.server().text() + client_.server().base_path; }

 private:
  ClientResponse send(const ClientRequest& request, bool may_repeat) const;
  Json send_for_json(const ClientRequest& request, bool may_repeat) const;
  RemoteJob send_for_job(const ClientRequest& request, bool may_repeat) const;
  bool stream(const ClientRequest& request, const std::vector<int>& statuses,
              const ClientReceiver& receiver) const;
  [[noreturn]] void refuse(const ClientResponse& response, const std::string& target) const;

  HttpClient client_;
  Waiter waiter_;
  int tries_;
};

/// Whether a path may be joined to a folder of ours: relative, with plain names only.
bool is_plain_relative(const std::string& path);

/// 32 random hexadecimal digits.
std::string new_idempotency_key();

/// Whether trying again later may help: the server was not reached, or the connection broke.
bool is_connection_trouble(const Error& error);

}  // namespace cce
