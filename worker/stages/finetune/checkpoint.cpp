#include "worker/stages/finetune/checkpoint.h"

#include <algorithm>
#include <iomanip>
#include <span>
#include <sstream>
#include <utility>

#include "common/base/digest.h"
#include "worker/passes/layer_store.h"
#include "worker/passes/stage_state.h"

namespace cce {
namespace {

constexpr const char* latest_state = "finetune.latest";
constexpr const char* progress_file = "progress.json";

HostMatrix copy_of(Backend& backend, ConstMatrix row) {
  HostMatrix copy(row.rows, row.cols);
  backend.download(row, copy.view());
  return copy;
}

}  // namespace

FinetuneCheckpoints::FinetuneCheckpoints(StageContext& context, std::string fingerprint)
    : context_(context), fingerprint_(std::move(fingerprint)) {}

std::string FinetuneCheckpoints::step_state(std::int64_t step) const {
  std::ostringstream name;
  name << "finetune.step-" << std::setw(6) << std::setfill('0') << step << ".rank-" << context_.rank();
  return name.str();
}

std::string FinetuneCheckpoints::best_state() const {
  return "finetune.best.rank-" + std::to_string(context_.rank());
}

void FinetuneCheckpoints::write_progress(const std::string& name, const FinetuneProgress& progress) {
  context_.communicator.barrier();  // every rank's part is there
  if (context_.rank() == 0) {
    const auto folder = context_.job.begin_state(name);
    context_.files.write_atomic(folder / progress_file, to_json(progress));
    context_.job.publish_state(name, fingerprint_);
  }
  context_.communicator.barrier();
}

std::optional<FinetuneProgress> FinetuneCheckpoints::read_progress(const std::string& name) const {
  const auto folder = context_.job.find_state(name, fingerprint_);
  if (!folder) {
    return std::nullopt;
  }
  const auto path = *folder / progress_file;
  return parse_finetune_progress(context_.files.read_text(path), path.string());
}

/// This rank's checkpoints of other steps.
void FinetuneCheckpoints::remove_others(const std::string& kept) {
  const std::string ending = ".rank-" + std::to_string(context_.rank());
  for (const std::string& name : context_.files.list(context_.job.state_root())) {
    if (name.starts_with("finetune.step-") && name.ends_with(ending) && name != kept) {
      context_.job.remove_state(name);
    }
  }
}

void FinetuneCheckpoints::save(const FinetuneProgress& progress, const State& state) {
  const std::string name = step_state(progress.step);
  const auto folder = context_.job.begin_state(name);
  state.weights.save(folder);
  state.optimiser.save(folder);
  if (state.nuclear != nullptr) {
    state.nuclear->save(folder);
  }
  context_.job.publish_state(name, fingerprint_);
  write_progress(latest_state, progress);
  remove_others(name);
}

std::optional<FinetuneProgress> FinetuneCheckpoints::load(const State& state) {
  std::optional<FinetuneProgress> progress = read_progress(latest_state);
  const auto folder = progress ? context_.job.find_state(step_state(progress->step), fingerprint_)
                               : std::optional<JobDir::Path>();
  if (!agree(context_.communicator, folder.has_value())) {
    return std::nullopt;
  }
  state.weights.load(*folder);
  state.optimiser.load(*folder);
  if (state.nuclear != nullptr) {
    state.nuclear->load(*folder);
  }
  return progress;
}

std::optional<std::int64_t> FinetuneCheckpoints::latest_step() const {
  const std::optional<FinetuneProgress> progress = read_progress(latest_state);
  return progress ? std::optional(progress->step) : std::nullopt;
}

void FinetuneCheckpoints::save_best(const StudentWeights& weights) {
  weights.save(context_.job.begin_state(best_state()));
  context_.job.publish_state(best_state(), fingerprint_);
  context_.communicator.barrier();
}

void FinetuneCheckpoints::load_best(StudentWeights& weights) {
  const auto folder = context_.job.find_state(best_state(), fingerprint_);
  if (!folder) {
    throw Error{.code = ErrorCode::missing_file,
                .where = (context_.job.state_root() / best_state()).string(),
                .found = "nothing of this run",
                .expected = "the weights of its best validation",
                .remedy = "Delete the job's state folder and resume"};
  }
  weights.load(*folder);
}

void FinetuneCheckpoints::publish(const FinetuneProgress& progress, const StudentWeights& weights) {
  const auto layers = context_.layers();
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    if (context_.owns(layer)) {
      const std::string name = layer_state_name("finetune", layer);
      const auto folder = context_.job.begin_state(name);
      write_layer(context_.files, folder / "layer.f32", weights.layer(layer), weights.hidden_size());
      context_.job.publish_state(name, fingerprint_);
    }
  }
  if (context_.rank() == 0) {
    const auto folder = context_.job.begin_state(final_norm_state);
    write_matrix(context_.files, folder / "final_norm.f32", copy_of(context_.backend, weights.final_norm()));
    context_.job.publish_state(final_norm_state, fingerprint_);
  }
  write_progress(finetune_done_state, progress);
  remove_others("");
  context_.job.remove_state(best_state());
  if (context_.rank() == 0) {
    context_.job.remove_state(latest_state);
  }
}

std::optional<FinetuneProgress> FinetuneCheckpoints::finished() const {
  std::optional<FinetuneProgress> progress = read_progress(finetune_done_state);
  return agree(context_.communicator, progress.has_value()) ? progress : std::nullopt;
}

std::string finetune_fingerprint(const StageContext& context, const std::string& encoded) {
  JobSpec spec;
  spec.model_digest = context.spec.model_digest;
  spec.seed = context.spec.seed;
  spec.calibration.length = context.spec.calibration.length;
  spec.finetune = context.spec.finetune;
  spec.finetune.teacher.clear();  // its digest counts, not its place
  Partition partition = context.partition;
  partition.forecast.clear();
  Digest digest;
  digest.add_field(context.build);
  digest.add_field(encoded);
  digest.add_field(to_json(spec));
  digest.add_field(to_json(partition));
  digest.add_field(name(context.compute_dtype));
  return digest.finish_hex();
}

}  // namespace cce
