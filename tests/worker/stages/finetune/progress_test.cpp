#include "worker/stages/finetune/progress.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/common/error_matcher.h"

namespace cce {
namespace {

FinetuneProgress example() {
  FinetuneProgress progress;
  progress.step = 2;
  progress.total_steps = 40;
  progress.validations = 5;
  progress.seconds = 1.0 / 3.0;
  progress.validation_seconds = 0.7;
  progress.first_validation = 20.1;
  progress.best_validation = std::nextafter(17.0, 18.0);
  progress.best_step = 2;
  progress.worse_in_a_row = 1;
  for (std::int64_t step = 1; step <= 2; ++step) {
    FinetunePoint point;
    point.step = step;
    point.terms = {.rec = 0.1 / 3.0, .sim = 0.2, .reg = 30.0, .kl = 1e-17, .task = 2.5};
    point.loss = 0.7;
    point.learning_rate = 2e-4;
    point.gradient_norm = 3.3;
    point.tokens_per_second = 1e5 / 7.0;
    if (step == 2) {
      point.validation_perplexity = 17.0;
    }
    progress.curve.push_back(point);
  }
  return progress;
}

TEST(FinetuneProgress, comes_back_to_the_same_bits) {
  const FinetuneProgress before = example();
  const std::string text = to_json(before);
  const FinetuneProgress after = parse_finetune_progress(text, "progress.json");
  EXPECT_EQ(to_json(after), text);
  EXPECT_EQ(after.validations, 5);
  EXPECT_EQ(after.seconds, before.seconds);
  EXPECT_EQ(after.validation_seconds, 0.7);
  EXPECT_EQ(after.best_validation, before.best_validation);
  EXPECT_EQ(after.curve[0].terms.rec, before.curve[0].terms.rec);
  EXPECT_EQ(after.curve[0].terms.kl, before.curve[0].terms.kl);
  EXPECT_EQ(after.curve[1].validation_perplexity, 17.0);
  EXPECT_EQ(after.curve[0].validation_perplexity, std::nullopt);
}

TEST(FinetuneProgress, refuses_what_it_did_not_write) {
  std::string text = to_json(example());
  text.replace(text.find("\"step\""), 6, "\"stop\"");
  expect_error([&] { parse_finetune_progress(text, "progress.json"); }, ErrorCode::wrong_type,
               "progress.json");
}

TEST(FinetuneProgress, the_total_weighs_the_terms) {
  FinetuneSettings settings;
  settings.alpha = 2.0;
  settings.beta = 3.0;
  settings.gamma = 5.0;
  settings.kl = 7.0;
  settings.delta = 11.0;
  const LossTerms terms{.rec = 1.0, .sim = 0.1, .reg = 0.01, .kl = 0.001, .task = 0.0001};
  EXPECT_DOUBLE_EQ(terms.total(settings), 2.0 + 0.3 + 0.05 + 0.007 + 0.0011);
}

TEST(FinetuneProgress, events_hold_finite_numbers_only) {
  FinetunePoint point = example().curve[1];
  point.terms.kl = std::numeric_limits<double>::quiet_NaN();
  const auto metrics = metrics_of(point);
  EXPECT_EQ(metrics.count("kl"), 0U);
  EXPECT_EQ(metrics.at("validation_perplexity"), 17.0);
  EXPECT_EQ(metrics.at("learning_rate"), 2e-4);
}

}  // namespace
}  // namespace cce
