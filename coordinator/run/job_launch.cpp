#include "coordinator/run/job_launch.h"

#include "common/job/job_dir.h"
#include "coordinator/recipe/recipe.h"
#include "coordinator/run/job_creation.h"
#include "coordinator/scheduler/launch_request.h"

namespace cce {

namespace fs = std::filesystem;

std::string run_name(const std::string& id, std::int64_t attempt) {
  return "cce-" + id + "-" + std::to_string(attempt);
}

void prepare_directory(FileSystem& files, const fs::path& root, const std::string& spec,
                       const Machine& machine) {
  if (files.exists(root / "spec.json")) {
    const JobDir job = open_job(files, root);
    if (!files.exists(root / "recipe.yaml")) {  // an earlier try ended between the two files
      files.write_atomic(root / "recipe.yaml", recipe_yaml(job.read_spec()));
    }
    return;
  }
  PreparedJob job = prepare_job(files, parse_job_spec(spec, "stored job"), machine, nullptr);
  create_job(files, root, job);
}

Launch launch_of(FileSystem& files, const fs::path& root, const fs::path& worker, const std::string& name,
                 std::int64_t attempt) {
  const JobDir job = JobDir::open(files, root);
  Launch launch = launch_request(job.read_spec(), job.read_partition());
  launch.name = name;
  launch.job_dir = root;
  launch.worker = worker;
  launch.attempt = attempt;
  return launch;
}

}  // namespace cce
