#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "common/base/file.h"
#include "common/base/log.h"
#include "coordinator/api/api.h"
#include "coordinator/command/commands.h"
#include "coordinator/command/serve_options.h"
#include "coordinator/http/http_server.h"
#include "coordinator/scheduler/scheduler_choice.h"
#include "coordinator/terminal/signal_inbox.h"

namespace cce {
namespace {

constexpr auto engine_pace = std::chrono::milliseconds(100);
constexpr double signal_wait_seconds = 0.5;

struct ServeOptions {
  std::string listen = "127.0.0.1:8642";
  std::string data = "cce-data";
  std::vector<std::string> roots;
  std::string token_file;
  std::vector<std::string> hosts;
  std::string worker;
  SchedulerChoice scheduler;
  std::string slurm_profile;
  std::int64_t most_queued = 1000;
};

/// Calls JobService::step at a steady pace on a thread of its own until it goes.
class Engine {
 public:
  explicit Engine(JobService& jobs) : jobs_(jobs), thread_([this] { run(); }) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  void run() {
    std::unique_lock<std::mutex> hold(mutex_);
    while (!stopping_) {
      hold.unlock();
      jobs_.step();
      hold.lock();
      changed_.wait_for(hold, engine_pace, [this] { return stopping_; });
    }
  }

  JobService& jobs_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

AccessPolicy access_policy(const ServeOptions& options, const ListenAddress& listen) {
  AccessPolicy policy;
  policy.loopback = is_loopback_address(listen.address);
  for (std::string name : options.hosts) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    policy.hosts.push_back(std::move(name));
  }
  if (!options.token_file.empty()) {
    policy.token = read_token_file(options.token_file);
  } else if (!policy.loopback) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "--listen " + options.listen,
                .found = "an address that others reach, and no token",
                .expected = "--token-file FILE",
                .remedy = "Make one: (umask 077; openssl rand -hex 32 > cce.token)"};
  }
  return policy;
}

ServiceOptions service_options(const ServeOptions& options, const Surroundings& surroundings) {
  ServiceOptions service;
  service.data = surroundings.current_folder / options.data;
  for (const std::string& root : options.roots) {
    service.roots.push_back(surroundings.current_folder / root);
  }
  if (service.roots.empty()) {
    service.roots.push_back(surroundings.current_folder);
  }
  service.worker = worker_program(options.worker, surroundings);
  service.most_active = most_running_of(options.scheduler);
  service.most_queued = options.most_queued;
  service.machine = inspect_machine();
  return service;
}

/// Until a signal comes:
///   1. signals become messages, before there is a second thread
///   2. the token and the port, so that a mistake there starts nothing
///   3. jobs, engine, server
///   4. the first signal ends the server; jobs at the scheduler go on and are found by the next server
void serve(const ServeOptions& options, const Surroundings& surroundings) {
  SignalInbox signals;  // 1.
  const ListenAddress listen = parse_listen_address(options.listen);
  const AccessPolicy policy = access_policy(options, listen);  // 2.
  Logger log(LogLevel::info, "cce serve", &surroundings.err);
  PosixFileSystem files;
  SchedulerChoice choice = options.scheduler;
  if (!options.slurm_profile.empty()) {
    choice.profile = surroundings.current_folder / options.slurm_profile;
  }
  choice.runs = surroundings.current_folder / options.data / "runs";
  choice.launcher = surroundings.program_folder / "cce";
  const std::unique_ptr<Scheduler> scheduler = make_scheduler(choice, files);
  JobService jobs(files, *scheduler, service_options(options, surroundings));  // 3.
  Api api(jobs, policy, log);
  HttpServer server({.address = listen.address, .port = listen.port, .limits = {}}, api);
  jobs.set_listener([&server](const std::string& id) { server.notify(id); });
  Engine engine(jobs);
  surroundings.out << "listening on " << server_url({listen.address, server.port()}) << std::endl;
  std::atomic<bool> ended = false;
  std::thread network([&server, &ended] {
    server.run();
    ended = true;
  });
  while (!ended && signals.wait(signal_wait_seconds) == 0) {  // 4.
  }
  log.info("stopping; jobs that run go on");
  server.stop();
  network.join();
}

}  // namespace

void add_serve_command(CLI::App& app, const Surroundings& surroundings) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "Serve jobs over HTTP, with a dashboard");
  command->footer(
      "Examples:\n  cce serve --root models --root texts\n"
      "  (umask 077; openssl rand -hex 32 > cce.token)\n"
      "  cce serve --listen 0.0.0.0:8642 --token-file cce.token --root /srv/models\n");
  command->add_option("--listen", options->listen, "Where to listen; port 0 takes a free one and prints it")
      ->capture_default_str()
      ->type_name("ADDR:PORT");
  command->add_option("--data", options->data, "Folder for the jobs, kept over restarts")
      ->capture_default_str()
      ->type_name("DIR");
  command
      ->add_option("--root", options->roots,
                   "Folder below which recipes may name models, texts and outputs; may be repeated "
                   "[default: the current folder]")
      ->type_name("DIR");
  command
      ->add_option("--token-file", options->token_file,
                   "File of mode 600 with the token that requests must send; needed unless the address is "
                   "a loopback one")
      ->type_name("FILE");
  command
      ->add_option("--allow-host", options->hosts,
                   "Further name by which this server is reached, such as a proxy's; may be repeated")
      ->type_name("NAME");
  command->add_option("--scheduler", options->scheduler.name, "What runs the jobs: local or slurm")
      ->capture_default_str()
      ->type_name("NAME");
  command
      ->add_option(
          "--slurm-profile", options->slurm_profile,
          "Shell file that every Slurm batch script sources first: the site's MPI and network settings")
      ->type_name("FILE");
  command
      ->add_option("--max-running", options->scheduler.most_running,
                   "Jobs at the scheduler at once [default: 1 locally, 100 in Slurm's queue]")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000}))
      ->type_name("N");
  command->add_option("--max-queued", options->most_queued, "Jobs that may wait")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100000}))
      ->capture_default_str()
      ->type_name("N");
  command->add_option("--worker", options->worker, "The cce-worker program [default: beside cce]")
      ->type_name("FILE");
  command->callback([options, &surroundings] { serve(*options, surroundings); });
}

}  // namespace cce
