#include "coordinator/run/job_creation.h"

#include <algorithm>
#include <functional>

#include "common/base/digest.h"
#include "common/base/error.h"
#include "common/base/number_format.h"
#include "common/base/unfetched_file.h"
#include "common/cost/disk_forecast.h"
#include "common/cost/sizes.h"
#include "common/job/job_checks.h"
#include "common/model/own_head.h"
#include "common/text/text_format.h"
#include "common/text/text_reader.h"
#include "coordinator/forecast/format_check.h"
#include "coordinator/forecast/weight_check.h"
#include "coordinator/recipe/recipe.h"
#include "coordinator/run/shared_statistics.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

void check_texts(const FileSystem& files, const std::vector<TextSource>& texts, const std::string& key,
                 bool needed) {
  if (needed && texts.empty()) {
    throw Error{.code = ErrorCode::missing_file,
                .where = key,
                .found = "no text",
                .expected = "at least one file",
                .remedy = "Name one with --text FILE, or in the recipe"};
  }
  for (const TextSource& text : texts) {
    if (!files.exists(text.path)) {
      throw Error{.code = ErrorCode::missing_file,
                  .where = key,
                  .found = "no file " + text.path,
                  .expected = "a .txt, .jsonl or token file",
                  .remedy = "Check the path; paths in a recipe are relative to the recipe"};
    }
    for (const std::string& path : text_files_of(files, text.path)) {
      refuse_unfetched(files, path);
    }
    check_text_source(files, text);
  }
}

void check_room(const FileSystem& files, const fs::path& path, std::int64_t needed, const char* remedy) {
  const fs::path existing = existing_ancestor(path);
  const std::int64_t free = files.free_bytes(existing);
  if (free < needed) {
    throw Error{.code = ErrorCode::disk_full,
                .where = existing.string(),
                .found = format_bytes(free) + " free",
                .expected = "at least " + format_bytes(needed),
                .remedy = remedy};
  }
}

/// The job's disk, and its output's where that is another.
void check_disk(const FileSystem& files, const fs::path& root, const PreparedJob& job) {
  if (!runs(job.spec, Stage::export_result)) {
    return;
  }
  DiskForecast disk = forecast_disk(job.spec, job.checkpoint.config);
  if (!job.spec.output.empty()) {
    const OutputPlace place = find_output_place(job.spec.output);
    if (!same_file_system(root, place.folder)) {
      check_room(files, place.folder, disk.delivered, "Free some space, or choose another --out");
      disk.delivered = 0;
    }
  }
  check_room(files, root, disk.widest(), "Free some space, or put the job elsewhere with --job");
}

/// How errors call one of a job's two checkpoints.
struct CheckpointWords {
  const char *name, *flag, *changed;
};
constexpr CheckpointWords model_words{"model", "--model", "The model"};
constexpr CheckpointWords teacher_words{"teacher", "--teacher", "The teacher"};

/// Errors: missing_file, digest_mismatch.
void check_same_checkpoint(const FileSystem& files, const fs::path& root, const fs::path& folder,
                           const std::string& wanted, const CheckpointWords& words) {
  if (!files.is_directory(folder)) {
    throw Error{.code = ErrorCode::missing_file,
                .where = root.string(),
                .found = std::string("no ").append(words.name) + " folder " + folder.string(),
                .expected = "the checkpoint that the job was made for",
                .remedy = std::string("Say where it is now with ").append(words.flag) + " DIR"};
  }
  const std::string digest = checkpoint_digest(files, folder);
  if (digest != wanted) {
    throw Error{.code = ErrorCode::digest_mismatch,
                .where = folder.string(),
                .found = digest,
                .expected = wanted,
                .remedy = std::string(words.changed) +
                          " changed since the job was made: start a new job, or name the original with " +
                          words.flag};
  }
}

bool is_checkpoint_file(const std::string& name) {
  const fs::path path = name;
  return path.extension() == ".safetensors" || path.extension() == ".model" || name == "config.json" ||
         name == "tokenizer.json" || name == "tokenizer_config.json" ||
         name == "model.safetensors.index.json";
}

}  // namespace

PreparedJob prepare_job(FileSystem& files, JobSpec spec, const Machine& machine, const MachineRates* rates) {
  const auto check = [&](const std::vector<TextSource>& texts, const std::string& key, bool needed) {  // 1.
    check_texts(files, texts, key, needed || key == kind_of(spec).text_key);
  };
  check(spec.calibration.text, "calibration.text", false);
  check(spec.finetune.text, "finetune.text", runs(spec, Stage::finetune));
  check(spec.finetune.validation, "finetune.validation", false);
  check(spec.evaluate.text, "evaluate.text", false);
  PreparedJob job{.spec = std::move(spec), .checkpoint = {}, .warnings = {}, .size = {}, .partition = {}};
  job.checkpoint = inspect_checkpoint(files, job.spec.model);  // 2.
  if (job.checkpoint.has_own_head) {
    job.warnings.push_back(own_head_warning("model"));
  }
  check_structures(job.spec, job.checkpoint.config);
  const ResourceSettings& resources = job.spec.resources;
  const bool fast_bf16 = resources.device == "cuda" || machine.has_bf16;
  const bool narrow = cost::computes_in_bf16(resources.precision, fast_bf16);
  job.size = {.tensor_bytes = job.checkpoint.tensor_bytes, .compute_value_bytes = narrow ? 2 : 4};
  if (!job.spec.finetune.teacher.empty()) {
    const CheckpointFacts teacher = inspect_checkpoint(files, job.spec.finetune.teacher);
    if (teacher.has_own_head) {
      job.warnings.push_back(own_head_warning("teacher"));
    }
    job.size.teacher_bytes = teacher.tensor_bytes;
    for (const LayerShape& shape : teacher.config.layers) {
      job.size.teacher_layer_parameters =
          std::max(job.size.teacher_layer_parameters, layer_parameters(shape, teacher.config.hidden_size));
    }
  }
  if (!resources.threads) {  // 3.
    job.spec.resources.threads = std::max<std::int64_t>(1, machine.cores / ranks_per_node(resources));
  }
  const MachineRates assumed = resources.device == "cuda"
                                   ? assumed_gpu_rates(*resources.threads)
                                   : assumed_rates(*resources.threads, machine.has_bf16);
  job.partition =
      make_partition(job.spec, job.checkpoint.config, job.size, machine, rates ? *rates : assumed);  // 4.
  if (!job.spec.from.empty()) {                                                                      // 5.
    check_statistics(files, job.spec, job.partition);
  }
  return job;
}

JobDir create_job(FileSystem& files, const fs::path& root, PreparedJob& job) {
  check_disk(files, root, job);
  check_format_files(files, job.spec);
  check_weights(files, job.spec);
  if (job.spec.model_digest.empty()) {
    job.spec.model_digest = checkpoint_digest(files, job.spec.model);
  }
  if (!job.spec.finetune.teacher.empty()) {
    job.spec.finetune.teacher_digest = checkpoint_digest(files, job.spec.finetune.teacher);
  }
  std::function<void(const fs::path& state_root)> fill_state;
  if (!job.spec.from.empty()) {
    check_statistics(files, job.spec, job.partition);  // again, now that the model's digest is known
    fill_state = [&](const fs::path& state_root) { share_statistics(files, job.spec, state_root); };
  }
  JobDir directory = JobDir::create(files, root, job.spec, job.partition, fill_state);
  files.write_atomic(root / "recipe.yaml", recipe_yaml(job.spec));
  return directory;
}

DeliveryGuards delivery_guards(const fs::path& root, const JobSpec& spec) {
  DeliveryGuards guards{.job = root, .inputs = {spec.model}};
  if (!spec.finetune.teacher.empty()) {
    guards.inputs.emplace_back(spec.finetune.teacher);
  }
  if (!spec.from.empty()) {
    guards.inputs.emplace_back(spec.from);
  }
  for (const auto* texts :
       {&spec.calibration.text, &spec.finetune.text, &spec.finetune.validation, &spec.evaluate.text}) {
    for (const TextSource& text : *texts) {
      guards.inputs.emplace_back(text.path);
    }
  }
  return guards;
}

fs::path default_job_root(const JobSpec& spec, const fs::path& current_folder) {
  fs::path base = current_folder / "cce-jobs" / kind_of(spec).name;
  if (!spec.output.empty()) {
    const fs::path output = spec.output;
    base = (output.has_filename() ? output : output.parent_path()).string() + ".job";
  }
  fs::path root = base;
  for (int number = 2; fs::exists(root); ++number) {
    root = base.string() + "-" + std::to_string(number);
  }
  return root;
}

JobDir open_finished_job(FileSystem& files, const fs::path& root) {
  JobDir job = JobDir::open(files, root);
  const JobSpec spec = job.read_spec();
  check_same_checkpoint(files, root, spec.model, spec.model_digest, model_words);
  return job;
}

JobDir open_job(FileSystem& files, const fs::path& root, const MovedCheckpoints& moved) {
  JobDir job = JobDir::open(files, root);
  const JobSpec before = job.read_spec();
  JobSpec spec = before;
  spec.model = moved.model.empty() ? before.model : moved.model;
  check_same_checkpoint(files, root, spec.model, spec.model_digest, model_words);
  if (runs(spec, Stage::finetune) && !spec.finetune.teacher.empty()) {
    spec.finetune.teacher = moved.teacher.empty() ? before.finetune.teacher : moved.teacher;
    check_same_checkpoint(files, root, spec.finetune.teacher, spec.finetune.teacher_digest, teacher_words);
  } else if (!moved.teacher.empty()) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = root.string(),
                .found = "--teacher with a job that has no teacher of its own",
                .expected = "a job that is fine-tuned against another checkpoint",
                .remedy = "Leave --teacher out"};
  }
  if (spec.model != before.model || spec.finetune.teacher != before.finetune.teacher) {
    job.write_spec(spec);
  }
  return job;
}

std::string checkpoint_digest(const FileSystem& files, const fs::path& folder) {
  Digest digest;
  for (const std::string& name : files.list(folder)) {
    if (is_checkpoint_file(name) && !files.is_directory(folder / name)) {
      digest.add_field(name);
      digest.add_field(digest_of_file(files, folder / name));
    }
  }
  return digest.finish_hex();
}

}  // namespace cce
