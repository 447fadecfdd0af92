#include "worker/stages/finetune/health.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

namespace cce {
namespace {

/// A loss this many times the first step's is a run that has gone off; small first losses get room to move.
constexpr double divergence_factor = 4.0;
constexpr double divergence_margin = 1.0;
/// Of the rise, what a term must make up to be named: a ratio of two tiny numbers says nothing.
constexpr double named_share = 0.1;
/// How much lower the rate is that an error suggests, where the default is not lower anyway.
constexpr double suggested_factor = 0.25;

/// A number of a point and its weight in the loss.
struct Part {
  const char* name;
  double (*value)(const FinetunePoint&);
  double weight;
};

std::array<Part, 5> parts_of(const FinetuneSettings& settings) {
  return {{{"rec", [](const FinetunePoint& at) { return at.terms.rec; }, settings.alpha},
           {"kl", [](const FinetunePoint& at) { return at.terms.kl; }, settings.kl},
           {"task", [](const FinetunePoint& at) { return at.terms.task; }, settings.delta},
           {"sim", [](const FinetunePoint& at) { return at.terms.sim; }, settings.beta},
           {"reg", [](const FinetunePoint& at) { return at.terms.reg; }, settings.gamma}}};
}

/// With the lowest value of the steps before.
Divergence with_best(Divergence found, double (*value)(const FinetunePoint&),
                     const std::vector<FinetunePoint>& curve) {
  const auto best = std::min_element(curve.begin(), curve.end(),
                                     [&](const auto& a, const auto& b) { return value(a) < value(b); });
  if (best != curve.end()) {
    found.best_step = best->step;
    found.best = value(*best);
  }
  return found;
}

std::string number(double value) {
  std::ostringstream text;
  text.precision(4);
  text << value;
  return text.str();
}

/// What the state keeps, a sentence.
std::string sentence_of(const KeptState& kept, const std::string& state) {
  std::string text;
  if (kept.checkpoint_step) {
    text = "The checkpoint of step " + std::to_string(*kept.checkpoint_step);
  }
  if (kept.best_step) {
    text += (text.empty() ? "The weights" : " and the weights") +
            std::string(" of the best validation (step ") + std::to_string(*kept.best_step) + ")";
  }
  if (text.empty()) {
    return "No checkpoint had been written. ";
  }
  return text + (kept.best_step ? " stay in " : " stays in ") + state + ". ";
}

}  // namespace

std::optional<Divergence> find_divergence(const FinetuneSettings& settings,
                                          const std::vector<FinetunePoint>& curve,
                                          const FinetunePoint& point) {
  const auto parts = parts_of(settings);
  for (const Part& part : parts) {  // 1.
    if (!std::isfinite(part.value(point))) {
      return with_best({.term = part.name, .step = point.step, .value = part.value(point)}, part.value,
                       curve);
    }
  }
  if (!std::isfinite(point.gradient_norm)) {
    return with_best(
        {.term = "gradient_norm", .step = point.step, .value = point.gradient_norm},
        [](const FinetunePoint& at) { return at.gradient_norm; }, curve);
  }
  const auto loss_of = [&](const FinetunePoint& at) { return at.loss - settings.gamma * at.terms.reg; };
  if (curve.empty() || loss_of(point) <= divergence_factor * loss_of(curve.front()) + divergence_margin) {
    return std::nullopt;
  }
  std::vector<std::pair<Divergence, double>> rises;  // 2.
  double rise = 0.0;
  for (const Part& part : parts) {
    const Divergence found =
        with_best({.term = part.name, .step = point.step, .value = part.value(point)}, part.value, curve);
    rises.emplace_back(found, part.weight * (found.value - found.best));
    rise += std::max(rises.back().second, 0.0);
  }
  const Divergence* worst = nullptr;
  double worst_ratio = 0.0;
  for (const auto& [found, share] : rises) {
    const double ratio = found.value / std::max(found.best, std::numeric_limits<double>::min());
    if (share >= named_share * rise && (worst == nullptr || ratio > worst_ratio)) {
      worst = &found;
      worst_ratio = ratio;
    }
  }
  return *worst;
}

Error divergence_error(const StageContext& context, const Divergence& divergence, const KeptState& kept) {
  const JobSpec& spec = context.spec;
  const std::string at =
      divergence.term + " = " + number(divergence.value) + " at step " + std::to_string(divergence.step);
  if (divergence.best_step == 0) {
    return {
        .code = ErrorCode::not_converged,
        .where = "finetune",
        .found = at + ", before anything was trained",
        .expected = "a finite number",
        .remedy = "See what cce evaluate says of the model and of its teacher; try resources.precision=f32."};
  }
  const std::string job = context.job.root().string();
  const double rate = spec.finetune.learning_rate;
  const double usual = FinetuneSettings{}.learning_rate;
  const std::string lower = number(rate > usual ? usual : suggested_factor * rate);
  const bool encoded = runs(spec, Stage::encode);
  std::string remedy = sentence_of(kept, context.job.state_root().string()) +
                       "A resume would diverge again. Start a new job with a lower rate: cce " +
                       kind_of(spec).name + " ... --set finetune.learning_rate=" + lower +
                       " and another --out.";
  if (encoded) {
    remedy += " Or go on from the encoded layers, as they were before training: cce export " + job +
              " --out DIR, then cce finetune DIR --teacher " + spec.model + " --learning-rate " + lower + ".";
  }
  return {.code = ErrorCode::out_of_range,
          .where = "finetune.learning_rate",
          .found = number(rate) + ", under which training diverged: " + at + ", " + number(divergence.best) +
                   " at step " + std::to_string(divergence.best_step),
          .expected = "a rate under which every term stays finite and near its start",
          .remedy = remedy};
}

}  // namespace cce
