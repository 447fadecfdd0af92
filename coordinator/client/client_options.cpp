#include "coordinator/client/client_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "common/recipe/job_spec.h"
#include "coordinator/store/job_state.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

const char* const default_server = "http://127.0.0.1:8642";
constexpr std::size_t longest_token = 512;

std::string read_token(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string token;
  if (!stream || fs::is_directory(file) || !std::getline(stream, token)) {
    throw Error{.code = ErrorCode::missing_file,
                .where = file.string(),
                .found = fs::exists(file) ? "an empty or unreadable file" : "nothing",
                .expected = "a file that holds the server's token",
                .remedy = "Check --token-file or CCE_TOKEN_FILE."};
  }
  const fs::perms others = fs::perms::group_all | fs::perms::others_all;
  if ((fs::status(file).permissions() & others) != fs::perms::none) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = file.string(),
                .found = "a token that other users may read or write",
                .expected = "mode 600",
                .remedy = "Run: chmod 600 " + file.string()};
  }
  if (!token.empty() && token.back() == '\r') {
    token.pop_back();
  }
  const bool visible = std::all_of(token.begin(), token.end(),
                                   [](char character) { return character > ' ' && character < '\x7F'; });
  if (token.empty() || token.size() > longest_token || !visible) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = file.string(),
                .found = "a first line that is no token",
                .expected = "1 to 512 visible ASCII characters",
                .remedy = "Use the file that the server was started with."};
  }
  return token;
}

void show_state(const StreamedItem& item, Progress& progress) {
  std::string text = item.state;
  if (item.attempt > 1) {
    text += " (attempt " + std::to_string(item.attempt) + ")";
  }
  progress.note(text);
}

Error end_of(const RemoteJob& job) {
  if (job.error) {
    return *job.error;
  }
  const bool cancelled = job.state == state_name(JobState::cancelled);
  return {.code = cancelled ? ErrorCode::cancelled : ErrorCode::worker_died,
          .where = "job " + job.id,
          .found = cancelled ? "" : "a job that is " + job.state,
          .remedy = "Continue with 'cce resume " + job.id + " --server URL'."};
}

}  // namespace

void add_server_options(CLI::App& command, ServerOptions& options) {
  command
      .add_option("--server", options.server,
                  std::string("The server, http://HOST:PORT or https://… [default: ") + default_server + "]")
      ->type_name("URL")
      ->envname("CCE_SERVER");
  command
      .add_option("--token-file", options.token_file,
                  "File (mode 600) with the server's token, where it asks for one")
      ->type_name("FILE")
      ->envname("CCE_TOKEN_FILE");
}

ServiceClient make_service_client(const ServerOptions& options, const Surroundings& surroundings,
                                  Waiter waiter) {
  const std::string token =
      options.token_file.empty() ? "" : read_token(surroundings.current_folder / options.token_file);
  const ServerUrl server = parse_server_url(options.server.empty() ? default_server : options.server);
  return ServiceClient(HttpClient(server, token), std::move(waiter));
}

Waiter plain_waiter() {
  return [](double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    return true;
  };
}

bool watch_job(const ServiceClient& service, SignalInbox& signals, const std::string& id,
               const Surroundings& surroundings, bool json, bool quiet) {
  ProgressStyle style = surroundings.style;
  style.quiet = quiet || json;
  RemoteJob job = service.job(id);
  FollowOutcome outcome;
  {
    Progress progress(surroundings.err, style, job.stages);
    const FollowCallbacks callbacks{.item =
                                        [&](const StreamedItem& item) {
                                          if (json) {
                                            surroundings.out << item.json << "\n" << std::flush;
                                          } else if (item.event) {
                                            progress.show(*item.event);
                                          } else {
                                            show_state(item, progress);
                                          }
                                        },
                                    .note = [&](const std::string& sentence) { progress.note(sentence); },
                                    .keep_going = [&] { return signals.wait(0.0) == 0; }};
    outcome = follow_job(service, id, {}, callbacks);
  }
  if (outcome.stopped) {
    surroundings.err << "\nDetached: job " << id << " goes on. Come back with: cce logs -f " << id
                     << "; end it with: cce cancel " << id << "\n";
    return false;
  }
  if (outcome.job.state != "completed") {
    throw Error(end_of(outcome.job));
  }
  return true;
}

}  // namespace cce
