// Stands in for cce-worker: writes the events and the result of a run, or misbehaves as the file
// JOB/fake-mode says, or without one CCE_FAKE_MODE.
//   done           two stages and a result             error  an error event, exit 3
//   die            an exit without a word              hang   ignores SIGTERM and never ends
//   wait           as done, once control/go is there, or stops when control/cancel is
//   interrupt      sends SIGINT to CCE_FAKE_PARENT, then stops as soon as control/cancel is there
//   deaf           sends SIGINT to CCE_FAKE_PARENT twice and never looks at control/cancel
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string variable(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

class Events {
 public:
  explicit Events(const fs::path& job) : path_(job / "events.jsonl") {
    std::ifstream earlier(path_);
    for (std::string line; std::getline(earlier, line);) {
      ++last_seq_;
    }
  }
  void write(Json event) {
    event["seq"] = ++last_seq_;
    event["time"] = 1000.0 + static_cast<double>(last_seq_);
    std::ofstream(path_, std::ios::app) << event.dump() << "\n";
  }
  void stage(const std::string& name) {
    write({{"type", "stage_started"},
           {"stage", name},
           {"layer", nullptr},
           {"done", 0},
           {"total", 0},
           {"metrics", Json::object()}});
    write({{"type", "progress"},
           {"stage", name},
           {"layer", 2},
           {"done", 1},
           {"total", 4},
           {"metrics", {{"tokens_per_second", 1234.0}, {"peak_bytes", 1048576.0}}}});
    write({{"type", "stage_done"},
           {"stage", name},
           {"layer", nullptr},
           {"done", 4},
           {"total", 4},
           {"metrics", {{"seconds", 2.0}}}});
  }
  void plain(const std::string& type) {
    write({{"type", type},
           {"stage", ""},
           {"layer", nullptr},
           {"done", 0},
           {"total", 0},
           {"metrics", Json::object()}});
  }

 private:
  fs::path path_;
  int last_seq_ = 0;
};

void write_result(const fs::path& job) {
  fs::create_directories(job / "result");
  const Json report{{"schema_version", 1},
                    {"model", {{"name", "tiny"}, {"architecture", "LlamaForCausalLM"}, {"layers", 2}}},
                    {"params", {{"blocks", {{"before", 1000}, {"after", 700}}}}},
                    {"evaluation", {{"perplexity", {{"wiki", {{"before", 20.75}, {"after", 31.0}}}}}}}};
  std::ofstream(job / "result" / "report.json") << report.dump(2) << "\n";
  std::ofstream(job / "result" / "plan.json") << "{}\n";
  std::ofstream(job / "result" / "config.json") << "{}\n";
}

/// Until `file` is there, at most 20 seconds.
bool wait_for(const fs::path& file) {
  for (int i = 0; i < 2000 && !fs::exists(file); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return fs::exists(file);
}

int run(const fs::path& job, const std::string& mode) {
  Events events(job);
  const auto parent = static_cast<pid_t>(std::stol(variable("CCE_FAKE_PARENT", "0")));
  events.write({{"type", "started"},
                {"stage", ""},
                {"layer", nullptr},
                {"done", 0},
                {"total", 0},
                {"metrics", Json::object()},
                {"ranks", {{{"host", "here"}, {"device", "cpu"}}}}});
  events.stage("calibrate");
  if (mode == "error") {
    events.write({{"type", "error"},
                  {"stage", ""},
                  {"layer", nullptr},
                  {"done", 0},
                  {"total", 0},
                  {"metrics", Json::object()},
                  {"error",
                   {{"code", "does_not_fit"},
                    {"where", "rank 0"},
                    {"found", "9 GiB"},
                    {"expected", "8 GiB"},
                    {"remedy", "Use more ranks"}}}});
    return 3;
  }
  if (mode == "die") {
    std::cerr << "a last word on stderr" << std::endl;
    return 17;
  }
  if (mode == "wait") {
    for (int i = 0; i < 6000 && !fs::exists(job / "control" / "go"); ++i) {
      if (fs::exists(job / "control" / "cancel")) {
        events.plain("cancelled");
        return 5;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  if (mode == "hang") {
    ::signal(SIGTERM, SIG_IGN);
    wait_for("/nowhere/at/all");
    return 1;
  }
  if (mode == "interrupt" || mode == "deaf") {
    ::kill(parent, SIGINT);
    if (!wait_for(job / "control" / "cancel")) {
      return 1;
    }
    if (mode == "deaf") {
      ::kill(parent, SIGINT);
      wait_for("/nowhere/at/all");
      return 1;
    }
    events.plain("cancelled");
    return 5;
  }
  events.stage("encode");
  write_result(job);
  events.plain("done");
  return 0;
}

/// Says what CCE_FAKE_TEXT_ERROR does, an error as JSON.
int check_texts() {
  const std::string error = variable("CCE_FAKE_TEXT_ERROR", "");
  std::cout << error << "\n";
  return error.empty() ? 0 : 2;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count < 2) {
    return 2;
  }
  const std::string first = arguments[1];
  if (first == "--probe") {
    std::cout << R"({"gemm_f32_flops":1e11,"gemm_bf16_flops":2e11,"gemm_f64_flops":5e10,"memory_bytes":1e10})"
              << "\n";
    return 0;
  }
  if (first == "--check-texts") {
    return check_texts();
  }
  std::string mode = variable("CCE_FAKE_MODE", "done");
  std::ifstream(fs::path(first) / "fake-mode") >> mode;
  if (variable("OMPI_COMM_WORLD_RANK", variable("SLURM_PROCID", "0")) != "0") {
    return 0;
  }
  return run(first, mode);
}
