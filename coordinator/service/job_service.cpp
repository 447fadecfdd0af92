#include "coordinator/service/job_service.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <semaphore>

#include "common/base/digest.h"
#include "common/base/json_reader.h"
#include "common/base/number_format.h"
#include "common/base/numeric_environment.h"
#include "common/job/job_checks.h"
#include "common/job/numerics_record.h"
#include "coordinator/forecast/format_check.h"
#include "coordinator/recipe/recipe.h"
#include "coordinator/run/job_creation.h"
#include "coordinator/run/job_id.h"
#include "coordinator/run/job_launch.h"
#include "coordinator/run/text_check.h"
#include "coordinator/service/job_engine.h"
#include "coordinator/service/job_table.h"
#include "coordinator/service/output_claims.h"
#include "coordinator/service/path_policy.h"
#include "coordinator/service/request_body.h"
#include "coordinator/system/checksums.h"
#include "coordinator/system/delivery.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_page_jobs = 1000;
/// How long a request waits for a look at its texts: what takes longer is the run's.
constexpr double text_check_seconds = 10.0;
/// Requests that may wait so at once. Each keeps one of the server's few workers: the others must stay free for
/// requests that are answered in no time. A job that comes while these wait is checked by its run alone.
constexpr std::ptrdiff_t most_text_checks = 2;
constexpr std::int64_t least_free_bytes = std::int64_t{32} << 20;

void check_key(const std::string& key) {
  const bool printable = std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (key.empty() || key.size() > 200 || !printable) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "Idempotency-Key",
                .found = std::to_string(key.size()) + " bytes",
                .expected = "1 to 200 printable ASCII characters without spaces",
                .remedy = "A random UUID is a good key."};
  }
}

}  // namespace

class JobService::Implementation {
 public:
  Implementation(FileSystem& files, Scheduler& scheduler, ServiceOptions options)
      : files_(files),
        scheduler_(scheduler),
        options_(std::move(options)),
        policy_(options_.roots, options_.data),
        lock_(take_lock()) {
    table_.emplace(JobStore(options_.data / "jobs.sqlite"), options_.data / "jobs", options_.clock);
    claims_.emplace(*table_);
    engine_.emplace(files, scheduler, *table_,
                    EngineOptions{.worker = options_.worker,
                                  .most_active = options_.most_active,
                                  .cancel_seconds = options_.cancel_seconds,
                                  .submit_retry_seconds = options_.submit_retry_seconds,
                                  .machine = options_.machine,
                                  .clock = options_.clock});
  }

  JobTable& table() { return *table_; }
  JobEngine& engine() { return *engine_; }
  const ServiceOptions& options() const { return options_; }
  FileSystem& files() { return files_; }

  CreatedJob create(std::string_view recipe_json, const std::optional<std::string>& key) {
    Json recipe = parse_request_body(recipe_json);
    const std::string digest = digest_of_text(recipe.dump());
    if (key) {
      check_key(*key);
      if (std::optional<CreatedJob> earlier = find_earlier(*key, digest)) {
        return *earlier;
      }
    }
    check_room();
    const std::optional<std::string> origin = own_job(recipe);
    policy_.resolve_recipe(recipe);
    if (origin) {
      recipe["from"] = *origin;
    }
    PreparedJob job = prepare_job(files_, checked_spec(recipe), options_.machine, nullptr);
    check_format_files(files_, job.spec);
    check_few_texts(job.spec);
    const std::string id = make_job_id();
    if (!job.spec.output.empty()) {
      check_deliverable(files_, job.spec.output, false, delivery_guards(table_->folder(id), job.spec));
    }
    check_launch(job, id);
    const NewJob stored{.id = id,
                        .spec = to_json(job.spec),
                        .model = fs::path(job.spec.model).filename(),
                        .stages = stage_names_of(job.spec),
                        .time = 0.0,
                        .key = key.value_or(""),
                        .key_digest = digest};
    try {
      const std::string output = job.spec.output;
      CreatedJob created{.job = claims_->open_with(id, output, [&] { return table_->insert(stored); }),
                         .is_new = true};
      engine_->keep(id, std::move(job));
      return created;
    } catch (const Error& error) {
      // Another request with this key was stored in the meantime, and may have the output, too.
      if (error.code == ErrorCode::job_locked && key) {
        if (std::optional<CreatedJob> earlier = find_earlier(*key, digest)) {
          return *earlier;
        }
      }
      throw;
    }
  }

  JobViewPointer cancel(const std::string& id) {
    const JobState state = table_->view(id)->state;
    if (state == JobState::cancelled || state == JobState::cancelling) {
      return table_->view(id);
    }
    try {
      return table_->move(id, JobAction::request_cancel);
    } catch (const Error& error) {
      // The engine may have moved it between the look and the move.
      const JobViewPointer now = table_->view(id);
      if (error.code == ErrorCode::wrong_job_state &&
          (now->state == JobState::cancelled || now->state == JobState::cancelling)) {
        return now;
      }
      throw;
    }
  }

  JobViewPointer resume(const std::string& id, bool other_numerics) {
    const JobViewPointer view = table_->view(id);
    std::int64_t attempt = view->attempt;
    const fs::path root = table_->folder(id);
    if (files_.exists(root / "spec.json")) {  // someone may have resumed the folder by hand meanwhile
      const JobDir job = JobDir::open(files_, root);
      attempt = std::max(attempt, job.recorded_attempt());
      if (other_numerics && next_state(view->state, JobAction::resume)) {
        allow_other_numerics(files_, job);
      }
    }
    const std::string output = parse_job_spec(table_->spec(id), "stored job " + id).output;
    return claims_->open_with(
        id, output, [&] { return table_->move(id, JobAction::resume, {.new_attempt = attempt + 1}); });
  }

  /// JOB/result once it is complete: that of a job whose delivery failed is, too, and its list of digests,
  /// written last, tells.
  fs::path result(const std::string& id, const char* what) {
    const JobViewPointer view = table_->view(id);
    const bool is_undelivered =
        view->state == JobState::failed && files_.exists(table_->folder(id) / "result" / checksums_name);
    if (view->state != JobState::completed && !is_undelivered) {
      throw Error{.code = ErrorCode::result_not_found,
                  .where = std::string(what).append(" of job ").append(id),
                  .found = std::string("a job that is ").append(state_name(view->state)),
                  .expected = "a completed job",
                  .remedy = is_final(view->state) ? "Resume it; it has a result once it has completed."
                                                  : "Wait until it has completed."};
    }
    return table_->folder(id) / "result";
  }

 private:
  std::unique_ptr<FileLock> take_lock() {
    files_.make_directory(options_.data / "jobs");
    return files_.lock(options_.data / "lock");
  }

  void check_few_texts(const JobSpec& spec) {
    if (!text_checks_.try_acquire()) {
      return;
    }
    struct Place {
      std::counting_semaphore<most_text_checks>& places;
      ~Place() { places.release(); }
    };
    const Place place{text_checks_};
    texts_are_checked(options_.worker, spec, text_check_seconds);
  }

  std::optional<CreatedJob> find_earlier(const std::string& key, const std::string& digest) {
    const std::optional<StoredKey> stored = table_->find_key(key);
    if (!stored) {
      return std::nullopt;
    }
    if (stored->digest != digest) {
      throw Error{.code = ErrorCode::impossible_combination,
                  .where = "Idempotency-Key",
                  .found = "a key that came with another recipe before",
                  .expected = "a new key for a new recipe",
                  .remedy = "Use a key once, and again only to repeat the same request."};
    }
    return CreatedJob{.job = table_->view(stored->job), .is_new = false};
  }

  /// Where `from` names a job of this server: takes the key out, which is no path below a root, and returns that
  /// job's folder.
  std::optional<std::string> own_job(Json& recipe) {
    const auto from = recipe.find("from");
    if (from == recipe.end() || !from->is_string() || !table_->has(from->get<std::string>())) {
      return std::nullopt;
    }
    const std::string id = from->get<std::string>();
    recipe.erase(from);
    return fs::absolute(table_->folder(id)).lexically_normal().string();
  }

  void check_room() {
    const std::int64_t queued = table_->count_by_state()[JobState::queued];
    if (queued >= options_.most_queued) {
      throw Error{.code = ErrorCode::queue_full,
                  .where = "the queue",
                  .found = std::to_string(queued) + " jobs waiting",
                  .expected = "fewer than " + std::to_string(options_.most_queued),
                  .remedy = "Try again later, or cancel some."};
    }
  }

  static JobSpec checked_spec(const Json& recipe) {
    refuse_run_keys(recipe);
    const JobSpec spec = parse_job_spec(recipe, "recipe");
    parse_duration_seconds(spec.resources.time_limit, "resources.time_limit");
    check_combinations(spec);
    return spec;
  }

  void check_launch(const PreparedJob& job, const std::string& id) const {
    scheduler_.check(
        launch_of(job.spec, job.partition, table_->folder(id), options_.worker, run_name(id, 1), 1));
  }

  FileSystem& files_;
  const Scheduler& scheduler_;
  const ServiceOptions options_;
  const PathPolicy policy_;
  const std::unique_ptr<FileLock> lock_;
  std::optional<JobTable> table_;
  std::optional<OutputClaims> claims_;
  std::optional<JobEngine> engine_;
  std::counting_semaphore<most_text_checks> text_checks_{most_text_checks};
};

JobService::JobService(FileSystem& files, Scheduler& scheduler, ServiceOptions options)
    : implementation_(std::make_unique<Implementation>(files, scheduler, std::move(options))) {}
JobService::~JobService() = default;

CreatedJob JobService::create(std::string_view recipe_json,
                              const std::optional<std::string>& idempotency_key) {
  return implementation_->create(recipe_json, idempotency_key);
}

JobViewPointer JobService::get(const std::string& id) const {
  return implementation_->table().view(id);
}

JobPage JobService::list(std::optional<JobState> state, const std::string& after, std::size_t limit) const {
  return implementation_->table().page(state, after, std::clamp<std::size_t>(limit, 1, most_page_jobs));
}

JobViewPointer JobService::cancel(const std::string& id) {
  return implementation_->cancel(id);
}

JobViewPointer JobService::resume(const std::string& id, bool other_numerics) {
  return implementation_->resume(id, other_numerics);
}

std::vector<StreamItem> JobService::events(const std::string& id, const StreamPosition& after,
                                           std::size_t limit) const {
  return implementation_->table().stream(id, after, limit);
}

std::string JobService::spec_json(const std::string& id) const {
  return implementation_->table().spec(id);
}

fs::path JobService::report_path(const std::string& id) const {
  return implementation_->result(id, "report") / "report.json";
}

fs::path JobService::artifact_root(const std::string& id) const {
  return implementation_->result(id, "artifacts");
}

fs::path JobService::log_path(const std::string& id) const {
  const JobViewPointer view = implementation_->table().view(id);
  return attempt_log_path(implementation_->table().folder(id), view->attempt);
}

ServiceMetrics JobService::metrics() const {
  return implementation_->engine().metrics();
}

void JobService::set_listener(std::function<void(const std::string& id)> listener) {
  implementation_->table().set_listener(std::move(listener));
}

void JobService::step() {
  implementation_->engine().step();
}

bool JobService::ready(std::string& reason) const {
  try {
    if (implementation_->files().free_bytes(implementation_->options().data) < least_free_bytes) {
      reason = "less than 32 MiB free where jobs are stored";
      return false;
    }
  } catch (const Error& error) {
    reason = describe(error);
    return false;
  }
  return true;
}

}  // namespace cce
