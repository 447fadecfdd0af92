#include "common/job/job_dir.h"

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"

namespace cce {
namespace {

constexpr const char* fingerprint_file = "fingerprint.json";
constexpr const char* inputs_file = "inputs.json";

void check_state_name(const std::string& name) {
  const bool is_plain =
      !name.empty() && name.front() != '.' &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") == std::string::npos &&
      !name.ends_with(".tmp") && !name.ends_with(".old");
  if (!is_plain) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "name of a state",
                .found = name,
                .expected = "lower-case letters, digits, '_', '.' and '-'",
                .remedy = "Report this: it is a bug."};
  }
}

}  // namespace

JobDir JobDir::create(FileSystem& files, const Path& root, const JobSpec& spec, const Partition& partition,
                      const std::function<void(const Path& state_root)>& fill_state) {
  JobDir job(files, root);
  if (files.exists(root / "spec.json")) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = root.string(),
                .found = "a job that is already there",
                .expected = "an empty or new folder",
                .remedy = "Resume it with 'cce resume', or choose another --job folder"};
  }
  for (const char* inner : {"control", "state", "logs"}) {
    files.make_directory(root / inner);
  }
  if (fill_state) {
    fill_state(job.state_root());
  }
  job.write_partition(partition);
  job.write_spec(spec);
  return job;
}

JobDir JobDir::open(FileSystem& files, const Path& root) {
  if (!files.exists(root / "spec.json")) {
    throw Error{.code = ErrorCode::missing_file,
                .where = (root / "spec.json").string(),
                .found = "nothing there",
                .expected = "a job directory",
                .remedy = "Check the path, or start a job with 'cce compress --job'"};
  }
  return JobDir(files, root);
}

FileSystem::Path attempt_log_path(const FileSystem::Path& root, std::int64_t attempt) {
  return root / "logs" / ("attempt-" + std::to_string(attempt) + ".log");
}

JobDir JobDir::open_for_attempt(FileSystem& files, const Path& root, std::int64_t attempt) {
  JobDir job = open(files, root);
  job.attempt_ = attempt;
  return job;
}

JobSpec JobDir::read_spec() const {
  const Path path = root_ / "spec.json";
  return parse_job_spec(files_->read_text(path), path.string());
}

Partition JobDir::read_partition() const {
  const Path path = root_ / "partition.json";
  return parse_partition(files_->read_text(path), path.string());
}

void JobDir::write_spec(const JobSpec& spec) {
  files_->write_atomic(root_ / "spec.json", to_json(spec));
}

void JobDir::write_partition(const Partition& partition) {
  files_->write_atomic(root_ / "partition.json", to_json(partition));
}

namespace {

[[noreturn]] void refuse_old_attempt(const FileSystem::Path& root, std::int64_t recorded,
                                     std::int64_t attempt) {
  throw Error{.code = ErrorCode::job_locked,
              .where = root.string(),
              .found = "attempt " + std::to_string(recorded),
              .expected = "attempt " + std::to_string(attempt) + " or an earlier one",
              .remedy = "A newer attempt owns this job; this one has to stop"};
}

}  // namespace

JobLock JobDir::take_lock(std::int64_t attempt) {
  std::unique_ptr<FileLock> lock = files_->lock(root_ / "lock");
  const std::int64_t recorded = recorded_attempt();
  if (recorded > attempt) {
    refuse_old_attempt(root_, recorded, attempt);
  }
  files_->write_atomic(root_ / "attempt", pretty_json({{"attempt", attempt}}));
  return JobLock(std::move(lock), attempt);
}

std::int64_t JobDir::recorded_attempt() const {
  const Path path = root_ / "attempt";
  if (!files_->exists(path)) {
    return 0;
  }
  const Json document = parse_json(files_->read_text(path), path.string());
  JsonReader reader(document, path.string());
  const std::int64_t attempt = reader.required("attempt").integer({.lowest = 0});
  reader.refuse_unknown_keys();
  return attempt;
}

void JobDir::check_attempt() const {
  const std::int64_t recorded = attempt_ ? recorded_attempt() : 0;
  if (attempt_ && recorded > *attempt_) {
    refuse_old_attempt(root_, recorded, *attempt_);
  }
}

bool JobDir::cancel_requested() const {
  return files_->exists(root_ / "control" / "cancel");
}

void JobDir::request_cancel() {
  files_->make_directory(root_ / "control");
  files_->write_atomic(root_ / "control" / "cancel", "");
}

void JobDir::clear_cancel() {
  files_->remove_all(root_ / "control" / "cancel");
}

FileSystem::Path JobDir::temporary_state(const std::string& name) const {
  return state_root() / (name + ".tmp");
}

FileSystem::Path JobDir::begin_state(const std::string& name) {
  check_state_name(name);
  check_attempt();
  const Path folder = temporary_state(name);
  files_->remove_all(folder);
  files_->make_directory(folder);
  return folder;
}

void JobDir::publish_state(const std::string& name, const std::string& fingerprint) {
  check_state_name(name);
  check_attempt();
  const Path folder = temporary_state(name);
  files_->write_atomic(folder / fingerprint_file,
                       pretty_json({{"schema_version", 1}, {"inputs", fingerprint}}));
  files_->publish_directory(folder, state_root() / name);
}

void JobDir::publish_state(const std::string& name, const StageInputs& inputs) {
  check_state_name(name);
  files_->write_atomic(temporary_state(name) / inputs_file, inputs.to_json());
  publish_state(name, inputs.fingerprint());
}

std::optional<StageInputs> JobDir::inputs_of_state(const std::string& name) const {
  check_state_name(name);
  const Path path = state_root() / name / inputs_file;
  return files_->exists(path) ? std::optional(StageInputs::parse(files_->read_text(path), path.string()))
                              : std::nullopt;
}

std::optional<FileSystem::Path> JobDir::find_state(const std::string& name,
                                                   const std::string& fingerprint) const {
  check_state_name(name);
  const Path folder = state_root() / name;
  const Path path = folder / fingerprint_file;
  if (!files_->exists(path)) {
    return std::nullopt;
  }
  const Json document = parse_json(files_->read_text(path), path.string());
  JsonReader reader(document, path.string());
  const bool is_current =
      reader.required("schema_version").integer() == 1 && reader.required("inputs").text() == fingerprint;
  return is_current ? std::optional(folder) : std::nullopt;
}

void JobDir::remove_state(const std::string& name) {
  check_state_name(name);
  check_attempt();
  files_->remove_all(state_root() / name);
}

void JobDir::recover() {
  for (const std::string& name : files_->list(state_root())) {
    if (name.ends_with(".tmp")) {
      files_->remove_all(state_root() / name);
    } else if (const std::size_t end = name.find(".cce-old-"); end != std::string::npos && end > 1) {
      files_->recover_directory(state_root() / name.substr(1, end - 1));
    }
  }
  files_->remove_all(root_ / "result.tmp");
  files_->recover_directory(result_path());
}

FileSystem::Path JobDir::begin_result() {
  check_attempt();
  const Path folder = root_ / "result.tmp";
  files_->remove_all(folder);
  files_->make_directory(folder);
  return folder;
}

void JobDir::publish_result() {
  check_attempt();
  files_->publish_directory(root_ / "result.tmp", result_path());
}

}  // namespace cce
