#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

#include "worker/run/probe.h"
#include "worker/run/run_worker.h"
#include "worker/run/text_check.h"

int main(int argc, char** argv) {
  CLI::App app{"One rank of a compression job; started by cce through mpirun or srun."};
  std::string job_folder;
  std::int64_t attempt = 1;
  int threads = 1;
  bool probe = false;
  std::string spec_to_check;
  app.add_option("JOB", job_folder, "Job directory");
  app.add_option("--attempt", attempt, "Which attempt at the job this is")->capture_default_str();
  app.add_option("--threads", threads, "Threads of this rank")
      ->envname("OMP_NUM_THREADS")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_flag("--probe", probe, "Print this machine's rates and end");
  app.add_option("--check-texts", spec_to_check,
                 "Read the texts of the job with this spec.json, say what is wrong, end");
  CLI11_PARSE(app, argc, argv);
  try {
    if (!spec_to_check.empty()) {
      return cce::check_texts(spec_to_check);
    }
    if (probe) {
      std::fputs(cce::probe_rates(threads).c_str(), stdout);
      return 0;
    }
    return cce::run_worker(job_folder, attempt, threads);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cce-worker: %s\n", error.what());
    return 1;
  }
}
