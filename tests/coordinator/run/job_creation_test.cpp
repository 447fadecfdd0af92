#include "coordinator/run/job_creation.h"

#include <fstream>

#include "common/cost/disk_forecast.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/faults/faulty_file_system.h"

namespace cce {
namespace {

TEST(JobCreation, wants_room_for_the_widest_moment_before_it_writes_anything) {
  const TemporaryFolder folder;
  std::ofstream(folder / "text.txt") << "Once upon a time there was a test.\n";
  JobSpec spec;
  spec.model = std::string(CCE_TESTS_DIR) + "/data/models/stories260K";
  const TextSource text{.path = (folder / "text.txt").string(), .name = "text", .first = 0, .last = {}};
  spec.calibration.text = spec.finetune.text = {text};
  spec.calibration.length = 128;
  spec.finetune.max_tokens = 1 << 20;
  PosixFileSystem disk;
  FaultyFileSystem files(disk);
  const Machine machine{.cores = 2, .memory_bytes = std::int64_t{8} << 30, .has_bf16 = false};
  PreparedJob job = prepare_job(files, spec, machine, nullptr);
  const std::int64_t needed = forecast_disk(job.spec, job.checkpoint.config).widest();
  EXPECT_GT(needed, 2 * job.size.tensor_bytes) << "f32 states and checkpoints are more than two models";
  files.set_free_bytes(needed - 1);
  expect_error([&] { create_job(files, folder / "job", job); }, ErrorCode::disk_full, "--job");
  EXPECT_FALSE(files.exists(folder / "job"));
  files.set_free_bytes(needed);
  EXPECT_NO_THROW(create_job(files, folder / "job", job));
}

}  // namespace
}  // namespace cce
