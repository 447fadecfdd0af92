#include "coordinator/job/job_creation.h"

#include <algorithm>

#include "common/digest.h"
#include "common/error.h"
#include "common/number_format.h"
#include "coordinator/recipe/recipe.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

bool runs(const JobSpec& spec, Stage stage) {
  return std::find(spec.stages.begin(), spec.stages.end(), stage) != spec.stages.end();
}

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
    if (!files.exists(text.path) || files.is_directory(text.path)) {
      throw Error{.code = ErrorCode::missing_file,
                  .where = key,
                  .found = "no file " + text.path,
                  .expected = "a .txt, .jsonl or token file",
                  .remedy = "Check the path; paths in a recipe are relative to the recipe"};
    }
  }
}

/// What fine-tuning keeps in state/ at most: two checkpoints of masters, moments and perhaps polar factors,
/// the weights of the best validation, and the result, f32.
std::int64_t training_bytes(const PreparedJob& job) {
  if (!runs(job.spec, Stage::finetune)) {
    return 0;
  }
  const std::int64_t checkpoint = job.spec.finetune.gamma > 0.0 ? 4 : 3;
  const std::int64_t best = job.spec.finetune.validation.empty() ? 0 : 1;
  return 4 * (2 * checkpoint + best + 1) * block_parameters(job.checkpoint.config);
}

void check_disk(const FileSystem& files, const fs::path& root, const PreparedJob& job) {
  fs::path existing = root;
  while (!files.exists(existing) && existing.has_parent_path() && existing != existing.parent_path()) {
    existing = existing.parent_path();
  }
  if (!runs(job.spec, Stage::export_result) || !files.exists(existing)) {
    return;
  }
  const std::int64_t needed =
      2 * job.size.tensor_bytes + training_bytes(job);  // state/ and result/ each hold at most the model once
  const std::int64_t free = files.free_bytes(existing);
  if (free < needed) {
    throw Error{.code = ErrorCode::disk_full,
                .where = existing.string(),
                .found = format_bytes(free) + " free",
                .expected = "at least " + format_bytes(needed),
                .remedy = "Free some space, or put the job elsewhere with --job"};
  }
}

bool is_checkpoint_file(const std::string& name) {
  const fs::path path = name;
  return path.extension() == ".safetensors" || path.extension() == ".model" || name == "config.json" ||
         name == "tokenizer.json" || name == "tokenizer_config.json" ||
         name == "model.safetensors.index.json";
}

}  // namespace

PreparedJob prepare_job(const FileSystem& files, JobSpec spec, const Machine& machine,
                        const MachineRates* rates) {
  check_texts(files, spec.calibration.text, "calibration.text", runs(spec, Stage::calibrate));  // 1.
  check_texts(files, spec.finetune.text, "finetune.text", runs(spec, Stage::finetune));
  check_texts(files, spec.finetune.validation, "finetune.validation", false);
  const bool only_evaluates = spec.stages.size() == 1 && runs(spec, Stage::evaluate);
  check_texts(files, spec.evaluate.text, "evaluate.text", only_evaluates && spec.evaluate.tasks.empty());
  PreparedJob job{.spec = std::move(spec), .checkpoint = {}, .size = {}, .partition = {}};
  job.checkpoint = inspect_checkpoint(files, job.spec.model);  // 2.
  const ResourceSettings& resources = job.spec.resources;
  const bool fast_bf16 = resources.device == "cuda" || machine.has_bf16;
  const bool narrow = resources.precision == "bf16" || (resources.precision == "auto" && fast_bf16);
  job.size = {.tensor_bytes = job.checkpoint.tensor_bytes, .compute_value_bytes = narrow ? 2 : 4};
  if (!job.spec.finetune.teacher.empty()) {
    job.size.teacher_bytes = inspect_checkpoint(files, job.spec.finetune.teacher).tensor_bytes;
  }
  if (!resources.threads) {  // 3.
    job.spec.resources.threads = std::max<std::int64_t>(1, machine.cores / ranks_per_node(resources));
  }
  const MachineRates assumed = resources.device == "cuda"
                                   ? assumed_gpu_rates(*resources.threads)
                                   : assumed_rates(*resources.threads, machine.has_bf16);
  job.partition =
      make_partition(job.spec, job.checkpoint.config, job.size, machine, rates ? *rates : assumed);  // 4.
  return job;
}

JobDir create_job(FileSystem& files, const fs::path& root, PreparedJob& job) {
  check_disk(files, root, job);
  job.spec.model_digest = checkpoint_digest(files, job.spec.model);
  if (!job.spec.finetune.teacher.empty()) {
    job.spec.finetune.teacher_digest = checkpoint_digest(files, job.spec.finetune.teacher);
  }
  JobDir directory = JobDir::create(files, root, job.spec, job.partition);
  files.write_atomic(root / "recipe.yaml", recipe_yaml(job.spec));
  return directory;
}

fs::path default_job_root(const JobSpec& spec, const std::string& command, const fs::path& current_folder) {
  fs::path base = current_folder / "cce-jobs" / command;
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

JobDir open_job(FileSystem& files, const fs::path& root, const std::string& model) {
  JobDir job = JobDir::open(files, root);
  JobSpec spec = job.read_spec();
  const fs::path folder = model.empty() ? fs::path(spec.model) : fs::path(model);
  if (!files.is_directory(folder)) {
    throw Error{.code = ErrorCode::missing_file,
                .where = root.string(),
                .found = "no model folder " + folder.string(),
                .expected = "the checkpoint that the job was made for",
                .remedy = "Say where it is now with --model DIR"};
  }
  const std::string digest = checkpoint_digest(files, folder);
  if (digest != spec.model_digest) {
    throw Error{
        .code = ErrorCode::digest_mismatch,
        .where = folder.string(),
        .found = digest,
        .expected = spec.model_digest,
        .remedy =
            "The model changed since the job was made: start a new job, or name the original with --model"};
  }
  if (folder != fs::path(spec.model)) {
    spec.model = folder.string();
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
