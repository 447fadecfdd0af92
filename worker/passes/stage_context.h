#pragma once
#include <cstdint>
#include <string>

#include "common/base/file.h"
#include "common/job/job_dir.h"
#include "common/job/partition.h"
#include "common/model/model_config.h"
#include "common/recipe/job_spec.h"
#include "worker/model/checkpoint.h"
#include "worker/passes/layer_stream.h"
#include "worker/passes/reporter.h"
#include "worker/tensor/backend.h"
#include "worker/text/job_texts.h"

namespace cce {

/// What every stage may use: references only. One per rank, built in run_worker, alive for the whole run.
struct StageContext {
  const JobSpec& spec;
  const Partition& partition;
  const Checkpoint& checkpoint;  ///< the dense model
  Backend& backend;
  Communicator& communicator;
  FileSystem& files;
  JobDir& job;
  Reporter& reporter;
  JobTexts& texts;                   ///< read by rank 0
  DType compute_dtype = DType::f32;  ///< of matrix products and of weights while they compute
  LayerDelivery delivery = LayerDelivery::mapped;
  std::string build = {};  ///< of the worker's program: other builds' states are not this one's

  const ModelConfig& dense() const { return checkpoint.config(); }
  std::int64_t layers() const { return static_cast<std::int64_t>(dense().layers.size()); }
  int rank() const { return communicator.rank(); }
  bool owns(std::int64_t layer) const { return partition.owner[static_cast<std::size_t>(layer)] == rank(); }
  const SequenceRange& sequences() const {
    return partition.sequences[static_cast<std::size_t>(communicator.rank())];
  }
};

}  // namespace cce
