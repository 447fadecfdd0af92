#include "coordinator/run/job_launch.h"

#include "common/base/numeric_environment.h"
#include "common/job/job_dir.h"
#include "coordinator/recipe/recipe.h"
#include "coordinator/scheduler/launch_request.h"

namespace cce {

namespace fs = std::filesystem;

std::string run_name(const std::string& id, std::int64_t attempt) {
  return "cce-" + id + "-" + std::to_string(attempt);
}

namespace {

/// It was free at POST; much may have happened since.
void check_output_again(FileSystem& files, const fs::path& root, const JobSpec& spec) {
  if (!spec.output.empty()) {
    check_deliverable(files, spec.output, false, delivery_guards(root, spec));
  }
}

}  // namespace

LaunchInputs ready_directory(FileSystem& files, const fs::path& root,
                             const std::function<PreparedJob&()>& prepared) {
  if (!files.exists(root / "spec.json")) {
    PreparedJob& job = prepared();
    check_output_again(files, root, job.spec);
    create_job(files, root, job);
    return {.spec = job.spec, .partition = job.partition};
  }
  const JobDir job = open_job(files, root);
  LaunchInputs inputs{.spec = job.read_spec(), .partition = job.read_partition()};
  check_output_again(files, root, inputs.spec);
  if (!files.exists(root / "recipe.yaml")) {  // an earlier try ended between the two files
    files.write_atomic(root / "recipe.yaml", recipe_yaml(inputs.spec));
  }
  return inputs;
}

LaunchInputs read_launch_inputs(FileSystem& files, const fs::path& root) {
  const JobDir job = JobDir::open(files, root);
  return {.spec = job.read_spec(), .partition = job.read_partition()};
}

Launch launch_of(const JobSpec& spec, const Partition& partition, const fs::path& root,
                 const fs::path& worker, const std::string& name, std::int64_t attempt) {
  Launch launch = launch_request(spec, partition);
  launch.name = name;
  launch.job_dir = root;
  launch.worker = worker;
  launch.attempt = attempt;
  launch.environment = numeric_environment();
  return launch;
}

}  // namespace cce
