#include "worker/stages/finetune/finetune.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/cost/sizes.h"
#include "worker/stages/finetune/checkpoint.h"
#include "worker/stages/finetune/gradients.h"
#include "worker/stages/finetune/health.h"
#include "worker/stages/finetune/nuclear.h"
#include "worker/stages/finetune/optimiser.h"
#include "worker/stages/finetune/pass.h"
#include "worker/stages/finetune/schedule.h"
#include "worker/stages/finetune/similarity.h"
#include "worker/stages/finetune/text.h"
#include "worker/stages/finetune/validation.h"
#include "worker/stages/finetune/weights.h"

namespace cce {
namespace {

constexpr double beta1 = 0.9;
constexpr double beta2 = 0.99;

class Finetuner {
 public:
  /// started: of the input's clock, when the stage began.
  Finetuner(StageContext& context, const FinetuneInput& input, double started)
      : context_(context),
        settings_(context.spec.finetune),
        input_(input),
        started_(started),
        checkpoints_(context, input.fingerprint),
        text_(context),
        batch_sequences_(batch_sequences(settings_, text_.length())),
        weights_(context, input.student),
        gradients_(context, input.student),
        optimiser_(context, input.student),
        pass_(context, weights_, gradients_, input.teacher, batch_sequences_),
        validation_(context, weights_) {}

  FinetuneProgress run() {
    load();
    validate_start();
    while (progress_.step < progress_.total_steps && !stopped_early()) {
      if (out_of_time()) {
        end_here();
        break;
      }
      FinetunePoint& point = progress_.curve.emplace_back(step());
      plan_by_the_clock();
      if (validation_due()) {
        validate(point);
      }
      report(point);
      if (progress_.step % settings_.checkpoint_steps == 0 && progress_.step < progress_.total_steps) {
        save();
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
      similarity_.emplace(context_, weights_,
                          text_.slice(0, std::min(cost::similarity_windows, text_.windows())));
    }
    if (std::optional<FinetuneProgress> found = checkpoints_.load(state())) {
      progress_ = std::move(*found);
      earlier_seconds_ = progress_.seconds;
      return;
    }
    take_student();
    progress_.total_steps = planned_steps(settings_, text_.length());
  }

  FinetuneCheckpoints::State state() { return {weights_, optimiser_, nuclear_ ? &*nuclear_ : nullptr}; }

  void take_student() {
    for (std::int64_t layer = 0; layer < context_.layers(); ++layer) {
      if (context_.owns(layer)) {
        weights_.set_layer(layer, input_.layer(layer));
      }
    }
    weights_.set_final_norm(input_.final_norm);
  }

  FinetunePoint step() {
    const double started = own_clock();
    FinetunePoint point;
    point.step = progress_.step + 1;
    const std::int64_t first = progress_.step * batch_sequences_;
    point.terms = pass_.run(text_.slice(first, first + batch_sequences_));  // 1. and 2.
    refuse_divergence(point);  // before the terms of the weights, whose factorisations need finite ones
    if (similarity_) {
      point.terms.sim = similarity_->add(gradients_);
    }
    if (nuclear_) {
      point.terms.reg = nuclear_->add(progress_.step, weights_, gradients_);
    }
    point.loss = point.terms.total(settings_);
    point.gradient_norm = gradients_.norm();  // 3.
    point.learning_rate = learning_rate_at(settings_, progress_.step, progress_.total_steps);
    refuse_divergence(point);
    optimiser_.step({.step = point.step,  // 4.
                     .learning_rate = point.learning_rate,
                     .beta1 = beta1,
                     .beta2 = beta2,
                     .weight_decay = settings_.weight_decay,
                     .gradient_scale = clip_factor(point.gradient_norm)},
                    gradients_, weights_);
    const double seconds = agreed_seconds(started);
    point.tokens_per_second = static_cast<double>(batch_tokens()) / seconds;
    progress_.step = point.step;
    return point;
  }

  std::int64_t batch_tokens() const { return batch_sequences_ * text_.length(); }

  double clip_factor(double norm) const {
    return settings_.clip > 0.0 && norm > settings_.clip ? settings_.clip / norm : 1.0;
  }

  void refuse_divergence(const FinetunePoint& point) {
    if (const auto found = find_divergence(settings_, progress_.curve, point)) {
      KeptState kept{.checkpoint_step = checkpoints_.latest_step(), .best_step = {}};
      if (validation_.possible()) {
        kept.best_step = progress_.best_step;
      }
      throw divergence_error(context_, *found, kept);
    }
  }

  // ---- time

  /// Rank 0's clock, 0 elsewhere.
  double own_clock() const { return context_.rank() == 0 ? input_.seconds() : 0.0; }

  /// Since `moment`, by rank 0's clock, on every rank; brings progress_.seconds up to now. Collective.
  double agreed_seconds(double moment) {
    const double now = own_clock();
    std::array<double, 2> seconds{now - moment, now - started_};
    context_.communicator.all_reduce_sum(std::span<double>(seconds));
    progress_.seconds = earlier_seconds_ + seconds[1];
    return std::max(seconds[0], 1e-9);
  }

  bool has_time_budget() const { return settings_.max_seconds > 0.0; }

  /// Every run does one step; the last validation is to end within the budget.
  bool out_of_time() {
    if (!has_time_budget() || progress_.step == 0) {
      return false;
    }
    agreed_seconds(started_);
    return progress_.seconds + progress_.validation_seconds >= settings_.max_seconds;
  }

  void plan_by_the_clock() {
    if (has_time_budget() && is_measuring_step(progress_.step)) {
      const MeasuredSeconds measured{.spent = progress_.seconds,
                                     .step = seconds_per_step(progress_.curve, batch_tokens()),
                                     .validation = progress_.validation_seconds};
      progress_.validations = affordable_validations(settings_, measured.validation);
      progress_.total_steps = affordable_steps(settings_, text_.length(), progress_.step, measured);
    }
  }

  /// The step that was done is the last one.
  void end_here() {
    progress_.total_steps = progress_.step;
    FinetunePoint& last = progress_.curve.back();
    if (validation_.possible() && !last.validation_perplexity) {
      validate(last);
    }
    report(last);
  }

  // ---- validation

  std::int64_t validation_interval() const {
    return settings_.validate_steps > 0
               ? settings_.validate_steps
               : std::max<std::int64_t>(1, progress_.total_steps / progress_.validations);
  }

  bool validation_due() const {
    return validation_.possible() &&
           (progress_.step % validation_interval() == 0 || progress_.step == progress_.total_steps);
  }

  void validate_start() {
    if (validation_.possible() && !progress_.first_validation) {
      progress_.first_validation = timed_perplexity();
      progress_.best_validation = progress_.first_validation;
      checkpoints_.save_best(weights_);
    }
  }

  double timed_perplexity() {
    const double started = own_clock();
    const double perplexity = validation_.perplexity();
    progress_.validation_seconds = agreed_seconds(started);
    return perplexity;
  }

  void validate(FinetunePoint& point) {
    point.validation_perplexity = timed_perplexity();
    if (*point.validation_perplexity < *progress_.best_validation) {
      progress_.best_validation = point.validation_perplexity;
      progress_.best_step = point.step;
      progress_.worse_in_a_row = 0;
      checkpoints_.save_best(weights_);
    } else {
      ++progress_.worse_in_a_row;
    }
  }

  bool stopped_early() const { return progress_.worse_in_a_row >= settings_.patience; }

  // ---- ends

  /// A safe point: a cancel that is seen here keeps what was done.
  void report(const FinetunePoint& point) {
    const double share = static_cast<double>(progress_.step * batch_tokens()) /
                         static_cast<double>(context_.communicator.size());
    try {
      context_.reporter.progress(progress_.step, progress_.total_steps, -1, share, metrics_of(point));
    } catch (const Error& error) {
      if (error.code == ErrorCode::cancelled) {
        save();
      }
      throw;
    }
  }

  void save() {
    agreed_seconds(started_);
    checkpoints_.save(progress_, state());
  }

  FinetuneProgress finish() {
    if (validation_.possible() && progress_.best_step != progress_.step) {
      checkpoints_.load_best(weights_);
    }
    agreed_seconds(started_);
    checkpoints_.publish(progress_, weights_);
    return std::move(progress_);
  }

  StageContext& context_;
  const FinetuneSettings& settings_;
  const FinetuneInput& input_;
  double started_;
  double earlier_seconds_ = 0.0;  ///< of the attempts before
  FinetuneCheckpoints checkpoints_;
  TrainingText text_;
  std::int64_t batch_sequences_;
  StudentWeights weights_;
  StudentGradients gradients_;
  Optimiser optimiser_;
  JointPass pass_;
  Validation validation_;
  std::optional<NuclearTerm> nuclear_;
  std::optional<SimilarityTerm> similarity_;
  FinetuneProgress progress_;
};

}  // namespace

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

FinetuneProgress finetune(StageContext& context, const FinetuneInput& input) {
  const double started = context.rank() == 0 ? input.seconds() : 0.0;
  context.reporter.stage_started(Stage::finetune);
  FinetuneCheckpoints checkpoints(context, input.fingerprint);
  std::optional<FinetuneProgress> progress = checkpoints.finished();
  if (!progress) {
    progress = Finetuner(context, input, started).run();
  }
  const double tokens =
      static_cast<double>(progress->step) *
      static_cast<double>(batch_sequences(context.spec.finetune, context.spec.calibration.length) *
                          context.spec.calibration.length);
  context.reporter.stage_finished(tokens / static_cast<double>(context.communicator.size()));
  return *progress;
}

}  // namespace cce
