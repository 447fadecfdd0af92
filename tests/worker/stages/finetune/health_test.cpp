#include "worker/stages/finetune/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/worker/stages/stage_fixture.h"

namespace cce {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

FinetuneSettings all_weights() {
  FinetuneSettings settings;
  settings.alpha = 1.0;
  settings.beta = 0.1;
  settings.gamma = 0.01;
  settings.kl = 1.0;
  settings.delta = 0.5;
  return settings;
}

FinetunePoint point_of(std::int64_t step, const LossTerms& terms, double gradient_norm = 1.0) {
  FinetunePoint point;
  point.step = step;
  point.terms = terms;
  point.loss = terms.total(all_weights());
  point.gradient_norm = gradient_norm;
  return point;
}

/// Two good steps; rec is at its best in the second, kl in the first.
std::vector<FinetunePoint> good_curve() {
  return {point_of(1, {.rec = 0.4, .sim = 0.1, .reg = 900.0, .kl = 0.2, .task = 3.0}),
          point_of(2, {.rec = 0.3, .sim = 0.1, .reg = 900.0, .kl = 0.25, .task = 2.9})};
}

struct HealthRow {
  const char* name;
  LossTerms terms;
  double gradient_norm;
  const char* term;  ///< null: all is well
  std::int64_t best_step;
  double best;
};

const HealthRow health_rows[] = {
    {"well", {.rec = 0.3, .sim = 0.1, .reg = 900.0, .kl = 0.2, .task = 3.0}, 1.0, nullptr, 0, 0.0},
    {"worse_but_within_bounds",
     {.rec = 3.0, .sim = 0.1, .reg = 950.0, .kl = 2.0, .task = 4.0},
     1.0,
     nullptr,
     0,
     0.0},
    {"much_of_reg_alone", {.rec = 0.3, .sim = 0.1, .reg = 9e4, .kl = 0.2, .task = 3.0}, 1.0, nullptr, 0, 0.0},
    {"rec_grew_most", {.rec = 30.0, .sim = 0.1, .reg = 950.0, .kl = 6.0, .task = 9.0}, 1.0, "rec", 2, 0.3},
    {"kl_grew_most", {.rec = 4.0, .sim = 0.1, .reg = 950.0, .kl = 9.0, .task = 9.0}, 1.0, "kl", 1, 0.2},
    {"a_large_ratio_that_matters_little",
     {.rec = 0.9, .sim = 5.0, .reg = 950.0, .kl = 2.0, .task = 40.0},
     1.0,
     "task",
     2,
     2.9},
    {"not_a_number", {.rec = 0.3, .sim = 0.1, .reg = 900.0, .kl = nan, .task = nan}, nan, "kl", 1, 0.2},
    {"infinite_gradient",
     {.rec = 0.3, .sim = 0.1, .reg = 900.0, .kl = 0.2, .task = 3.0},
     infinity,
     "gradient_norm",
     1,
     1.0}};

TEST(FinetuneHealth, names_the_term_that_grew_and_where_it_was_best) {
  for (const HealthRow& row : health_rows) {
    const auto found =
        find_divergence(all_weights(), good_curve(), point_of(3, row.terms, row.gradient_norm));
    ASSERT_EQ(found.has_value(), row.term != nullptr) << row.name;
    if (found) {
      EXPECT_EQ(found->term, row.term) << row.name;
      EXPECT_EQ(found->step, 3) << row.name;
      EXPECT_EQ(found->best_step, row.best_step) << row.name;
      EXPECT_EQ(found->best, row.best) << row.name;
    }
  }
}

TEST(FinetuneHealth, a_teacher_that_starts_equal_is_no_division_by_zero) {
  std::vector<FinetunePoint> curve{point_of(1, {})};
  const auto found = find_divergence(all_weights(), curve, point_of(2, {.rec = 3.0, .kl = 1e-5}));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->term, "rec");
}

TEST(FinetuneHealth, its_error_says_what_is_kept_and_what_to_run) {
  StageJob job("llama3_gqa");
  job.spec.finetune.learning_rate = 0.02;
  job.run(1, [&](StageContext& context) {
    const Divergence divergence{.term = "kl", .step = 17, .value = 9.5, .best_step = 3, .best = 0.125};
    const Error encoded = divergence_error(context, divergence, {.checkpoint_step = 10, .best_step = 8});
    EXPECT_EQ(exit_code(encoded.code), 2);
    EXPECT_EQ(encoded.found, "0.02, under which training diverged: kl = 9.5 at step 17, 0.125 at step 3");
    const std::string root = context.job.root().string();
    EXPECT_THAT(encoded.remedy, ::testing::HasSubstr(
                                    "checkpoint of step 10 and the weights of the best validation (step 8)"));
    EXPECT_THAT(encoded.remedy, ::testing::HasSubstr(root + "/state"));
    EXPECT_THAT(encoded.remedy, ::testing::HasSubstr("cce export " + root + " --out DIR"));
    EXPECT_THAT(encoded.remedy, ::testing::HasSubstr("finetune.learning_rate=0.0002 "));
    job.spec.finetune.learning_rate = 1e-4;
    job.spec.kind = JobKind::finetune;
    const Error alone = divergence_error(context, divergence, {});
    EXPECT_THAT(alone.remedy, ::testing::Not(::testing::HasSubstr("cce export")));
    EXPECT_THAT(alone.remedy, ::testing::HasSubstr("No checkpoint"));
    EXPECT_THAT(alone.remedy, ::testing::HasSubstr("finetune.learning_rate=2.5e-05 "));
    const Error at_once = divergence_error(context, {.term = "kl", .step = 1, .value = nan}, {});
    EXPECT_EQ(error_name(at_once.code), "not_converged") << "no learning rate had any part in it";
  });
}

}  // namespace
}  // namespace cce
