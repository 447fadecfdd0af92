#include "worker/stages/evaluate/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/base/error.h"
#include "worker/model/block.h"
#include "worker/stages/calibrate/calibration_data.h"
#include "worker/stages/evaluate/greedy_samples.h"

namespace cce {
namespace {

/// The attention signature looks at each row of the score matrix again; a few windows settle it.
constexpr std::size_t variance_windows = 4;

Signature at_most(double value, double limit) {
  return {value, limit, value <= limit};
}
Signature at_least(double value, double limit) {
  return {value, limit, value >= limit};
}

/// The compressed model's heads are the dense model's in order, less the dropped ones; where their numbers
/// differ the layer has no head-by-head comparison.
double smallest_variance_ratio(const std::vector<std::vector<double>>& before,
                               const std::vector<std::vector<double>>& after) {
  double smallest = std::numeric_limits<double>::infinity();
  for (std::size_t layer = 0; layer < before.size(); ++layer) {
    if (before[layer].size() != after[layer].size()) {
      continue;
    }
    for (std::size_t head = 0; head < before[layer].size(); ++head) {
      if (before[layer][head] > 0.0) {
        smallest = std::min(smallest, after[layer][head] / before[layer][head]);
      }
    }
  }
  return smallest;
}

/// A loss that is no number is no result: neither to be shown nor to be compared with a limit.
void check_finite(const TextLosses& losses, const std::string& text, bool is_compressed) {
  if (std::isfinite(losses.mean)) {
    return;
  }
  throw Error{
      .code = is_compressed ? ErrorCode::verification_failed : ErrorCode::out_of_range,
      .where = "evaluate, text " + text,
      .found =
          is_compressed ? "a loss of the compressed model that is no number" : "a loss that is no number",
      .expected = "a finite loss",
      .remedy =
          "Every weight is finite, so sums overflow on the way: set resources.precision to f32, or look "
          "for weights of a damaged merge"};
}

void add_loss_signatures(const GuardSettings& guard, Evaluation& evaluation) {
  double increase = -std::numeric_limits<double>::infinity();
  double drift = increase;
  for (const TextEvaluation& text : evaluation.texts) {
    increase = std::max(increase, text.after->perplexity() / text.before.perplexity() - 1.0);
    drift = std::max(drift, (text.after->last_quarter - text.before.last_quarter) -
                                (text.after->second_quarter - text.before.second_quarter));
  }
  evaluation.signatures["perplexity_increase"] = at_most(increase, guard.perplexity_increase);
  evaluation.signatures["position_drift"] = at_most(drift, guard.position_drift);
}

void judge(StageContext& context, const Evaluation& evaluation) {
  for (const auto& [name, signature] : evaluation.signatures) {
    if (signature.ok) {
      continue;
    }
    const std::string found = name + " is " + std::to_string(signature.value);
    const std::string limit = "guard." + name + " " + std::to_string(signature.limit);
    if (context.spec.guard.mode == GuardMode::stop) {
      throw Error{.code = ErrorCode::guard_violated,
                  .where = "evaluate",
                  .found = found,
                  .expected = limit,
                  .remedy = "Remove less, give more calibration text, or set guard.mode=warn"};
    }
    if (context.rank() == 0) {
      context.reporter.warning(found + ", past " + limit);
    }
  }
}

}  // namespace

Evaluation evaluate(StageContext& context, const EvaluatedModel& dense, const EvaluatedModel* compressed) {
  context.reporter.stage_started(Stage::evaluate);
  Evaluation result;
  const std::vector<TextSource>& sources = context.spec.evaluate.text;
  const auto total = static_cast<std::int64_t>(sources.size());
  double tokens = 0.0;
  Windows first_windows;
  for (const TextSource& source : sources) {
    const Windows windows = share_text_windows(context, source);
    TextEvaluation text{source.name, evaluate_losses(context, dense, windows), std::nullopt};
    check_finite(text.before, source.name, false);
    if (compressed != nullptr) {
      text.after = evaluate_losses(context, *compressed, windows);
      check_finite(*text.after, source.name, true);
    }
    tokens += static_cast<double>(text.before.tokens) * (compressed != nullptr ? 2.0 : 1.0);
    result.texts.push_back(std::move(text));
    if (first_windows.empty()) {
      first_windows.assign(windows.begin(), windows.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                  windows.size(), variance_windows)));
    }
    context.reporter.progress(static_cast<std::int64_t>(result.texts.size()), total, -1,
                              tokens / static_cast<double>(context.communicator.size()));
  }
  if (compressed != nullptr && !result.texts.empty()) {
    add_loss_signatures(context.spec.guard, result);
    if (static_cast<std::int64_t>(first_windows.front().size()) > first_variance_query) {
      result.signatures["attention_variance_ratio"] =
          at_least(smallest_variance_ratio(evaluate_attention_variance(context, dense, first_windows),
                                           evaluate_attention_variance(context, *compressed, first_windows)),
                   context.spec.guard.attention_variance_ratio);
    }
  }
  if (context.rank() == 0 && !first_windows.empty()) {
    result.samples = greedy_samples(context, dense, compressed, first_windows);
  }
  judge(context, result);
  context.reporter.stage_finished(tokens / static_cast<double>(context.communicator.size()));
  return result;
}

}  // namespace cce
