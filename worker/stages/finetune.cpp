#include "worker/stages/finetune.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "worker/stages/finetune_checkpoint.h"
#include "worker/stages/finetune_nuclear.h"
#include "worker/stages/finetune_parameters.h"
#include "worker/stages/finetune_pass.h"
#include "worker/stages/finetune_schedule.h"
#include "worker/stages/finetune_similarity.h"
#include "worker/stages/finetune_text.h"
#include "worker/stages/finetune_validation.h"

namespace cce {
namespace {

constexpr double beta1 = 0.9;
constexpr double beta2 = 0.99;
/// Over which the covariances of L_sim are measured.
constexpr std::int64_t similarity_windows = 16;
/// A loss this many times the first step's is a run that has gone off; small first losses get room to move.
constexpr double divergence_factor = 4.0;
constexpr double divergence_margin = 1.0;

class Finetuner {
 public:
  Finetuner(StageContext& context, const FinetuneInput& input)
      : context_(context),
        settings_(context.spec.finetune),
        input_(input),
        checkpoints_(context, input.fingerprint),
        text_(context),
        batch_sequences_(batch_sequences(settings_, text_.length())),
        parameters_(context, input.student),
        pass_(context, input.student, parameters_, input.teacher, batch_sequences_),
        validation_(context, input.student, parameters_) {}

  FinetuneProgress run() {
    load();
    validate_start();
    while (progress_.step < progress_.total_steps && !stopped_early()) {
      FinetunePoint point = step();
      check_health(point);
      fix_schedule();
      if (validation_due()) {
        validate(point);
      }
      progress_.curve.push_back(point);
      report(point);
      if (progress_.step % settings_.checkpoint_steps == 0 && progress_.step < progress_.total_steps) {
        checkpoints_.save(progress_, state());
      }
    }
    return finish();
  }

 private:
  /// The latest checkpoint, or the student as it is.
  void load() {
    if (settings_.gamma > 0.0) {
      nuclear_.emplace(context_, input_.student);
    }
    if (settings_.beta > 0.0) {  // measured on the student as it was at the very start
      take_student();
      similarity_.emplace(context_, input_.student, parameters_,
                          text_.slice(0, std::min(similarity_windows, text_.windows())));
    }
    if (std::optional<FinetuneProgress> found = checkpoints_.load(state())) {
      progress_ = std::move(*found);
      return;
    }
    take_student();
    progress_.total_steps = planned_steps(settings_, text_.length(), text_.windows());
  }

  FinetuneCheckpoints::State state() { return {parameters_, nuclear_ ? &*nuclear_ : nullptr}; }

  void take_student() {
    for (std::int64_t layer = 0; layer < context_.layers(); ++layer) {
      if (context_.owns(layer)) {
        parameters_.set_layer(layer, input_.layer(layer));
      }
    }
    parameters_.set_final_norm(input_.final_norm);
  }

  FinetunePoint step() {
    const auto started = std::chrono::steady_clock::now();
    FinetunePoint point;
    const std::int64_t first = progress_.step * batch_sequences_;
    point.terms = pass_.run(text_.slice(first, first + batch_sequences_));  // 1. and 2.
    if (similarity_) {
      point.terms.sim = similarity_->add(parameters_);
    }
    if (nuclear_) {
      point.terms.reg = nuclear_->add(progress_.step, parameters_);
    }
    point.loss = point.terms.total(settings_);
    point.gradient_norm = parameters_.gradient_norm();  // 3.
    point.learning_rate = learning_rate_at(settings_, progress_.step, progress_.total_steps);
    point.step = progress_.step + 1;
    if (std::isfinite(point.loss) && std::isfinite(point.gradient_norm)) {
      parameters_.step({.step = point.step,  // 4.
                        .learning_rate = point.learning_rate,
                        .beta1 = beta1,
                        .beta2 = beta2,
                        .weight_decay = settings_.weight_decay,
                        .gradient_scale = clip_factor(point.gradient_norm)});
    }
    const double seconds = agreed_seconds(started);
    point.tokens_per_second = static_cast<double>(batch_sequences_ * text_.length()) / seconds;
    progress_.seconds += seconds;
    progress_.step = point.step;
    return point;
  }

  double clip_factor(double norm) const {
    return settings_.clip > 0.0 && norm > settings_.clip ? settings_.clip / norm : 1.0;
  }

  /// Rank 0's clock, on every rank.
  double agreed_seconds(std::chrono::steady_clock::time_point started) {
    const double mine = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    std::array<double, 1> seconds{context_.rank() == 0 ? std::max(mine, 1e-9) : 0.0};
    context_.communicator.all_reduce_sum(std::span<double>(seconds));
    return seconds[0];
  }

  /// Past the first steps a time budget becomes a number of steps, for good.
  void fix_schedule() {
    if (progress_.step == measured_steps) {
      progress_.total_steps = std::max(progress_.step, affordable_steps(settings_, progress_.total_steps,
                                                                        progress_.step, progress_.seconds));
    }
  }

  void check_health(const FinetunePoint& point) const {
    const auto refuse = [&](const std::string& what, double value) {
      throw Error{
          .code = ErrorCode::not_converged,
          .where = "finetune, step " + std::to_string(point.step),
          .found = what + " = " + std::to_string(value),
          .expected = "finite, and not far above the first step's",
          .remedy = "lower finetune.learning_rate; the last good checkpoint, if there is one, is in " +
                    context_.job.state_root().string()};
    };
    for (const auto& [name, value] :
         {std::pair("rec", point.terms.rec), std::pair("sim", point.terms.sim),
          std::pair("reg", point.terms.reg), std::pair("kl", point.terms.kl),
          std::pair("task", point.terms.task), std::pair("gradient_norm", point.gradient_norm)}) {
      if (!std::isfinite(value)) {
        refuse(name, value);
      }
    }
    // L_reg, a sum over hundreds of matrices, would hide what the others do.
    const auto loss_of = [this](const FinetunePoint& at) { return at.loss - settings_.gamma * at.terms.reg; };
    const double first = loss_of(progress_.curve.empty() ? point : progress_.curve.front());
    if (loss_of(point) > divergence_factor * first + divergence_margin) {
      refuse("loss", loss_of(point));
    }
  }

  // ---- validation

  std::int64_t validation_interval() const {
    return settings_.validate_steps > 0 ? settings_.validate_steps
                                        : std::max<std::int64_t>(1, progress_.total_steps / 8);
  }

  bool validation_due() const {
    return validation_.possible() &&
           (progress_.step % validation_interval() == 0 || progress_.step == progress_.total_steps);
  }

  void validate_start() {
    if (validation_.possible() && !progress_.first_validation) {
      progress_.first_validation = validation_.perplexity();
      progress_.best_validation = progress_.first_validation;
      checkpoints_.save_best(parameters_);
    }
  }

  void validate(FinetunePoint& point) {
    point.validation_perplexity = validation_.perplexity();
    if (*point.validation_perplexity < *progress_.best_validation) {
      progress_.best_validation = point.validation_perplexity;
      progress_.best_step = point.step;
      progress_.worse_in_a_row = 0;
      checkpoints_.save_best(parameters_);
    } else {
      ++progress_.worse_in_a_row;
    }
  }

  bool stopped_early() const { return progress_.worse_in_a_row >= settings_.patience; }

  // ---- ends

  /// A safe point: a cancel that is seen here keeps what was done.
  void report(const FinetunePoint& point) {
    const double share = static_cast<double>(progress_.step * batch_sequences_ * text_.length()) /
                         static_cast<double>(context_.communicator.size());
    try {
      context_.reporter.progress(progress_.step, progress_.total_steps, -1, share, metrics_of(point));
    } catch (const Error& error) {
      if (error.code == ErrorCode::cancelled) {
        checkpoints_.save(progress_, state());
      }
      throw;
    }
  }

  FinetuneProgress finish() {
    if (validation_.possible() && progress_.best_step != progress_.step) {
      checkpoints_.load_best(parameters_);
    }
    checkpoints_.publish(progress_, parameters_);
    return std::move(progress_);
  }

  StageContext& context_;
  const FinetuneSettings& settings_;
  const FinetuneInput& input_;
  FinetuneCheckpoints checkpoints_;
  TrainingText text_;
  std::int64_t batch_sequences_;
  TrainedParameters parameters_;
  JointPass pass_;
  Validation validation_;
  std::optional<NuclearTerm> nuclear_;
  std::optional<SimilarityTerm> similarity_;
  FinetuneProgress progress_;
};

}  // namespace

FinetuneProgress finetune(StageContext& context, const FinetuneInput& input) {
  context.reporter.stage_started(Stage::finetune);
  FinetuneCheckpoints checkpoints(context, input.fingerprint);
  std::optional<FinetuneProgress> progress = checkpoints.finished();
  if (!progress) {
    progress = Finetuner(context, input).run();
  }
  const double tokens =
      static_cast<double>(progress->step) *
      static_cast<double>(batch_sequences(context.spec.finetune, context.spec.calibration.length) *
                          context.spec.calibration.length);
  context.reporter.stage_finished(tokens / static_cast<double>(context.communicator.size()));
  return *progress;
}

}  // namespace cce
