#include "coordinator/forecast/checkpoint_facts.h"

#include "common/model/checkpoint/checkpoint_files.h"

namespace cce {

CheckpointFacts inspect_checkpoint(const FileSystem& files, const std::filesystem::path& folder) {
  const CheckpointFiles checkpoint = CheckpointFiles::open(files, folder);
  return {.config = checkpoint.config(),
          .tensor_bytes = checkpoint.tensor_bytes(),
          .has_own_head = checkpoint.has_own_head()};
}

}  // namespace cce
