#include "coordinator/command/job_options.h"

#include <fstream>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

TEST(ResolveJob, flags_win_over_the_recipe_and_settings_over_flags) {
  const TemporaryFolder folder;
  std::ofstream(folder / "r.yaml")
      << "model: m\nseed: 1\ntarget: {remove_flops: 0.2}\nresources: {ranks: 1}\n"
         "calibration: {text: a.txt}\nevaluate: {text: e.txt}\n";
  RecipeOptions options;
  options.recipe = "r.yaml";
  options.remove = 0.4;
  options.ranks = 3;
  options.output = "out";
  options.text = {"t.txt"};
  options.settings = {"resources.ranks=4", "calibration.length=256"};
  const JobSpec spec = resolve_job(options, JobKind::compress, folder.path());
  EXPECT_EQ(spec.model, (folder / "m").string());
  EXPECT_EQ(spec.output, (folder / "out").string());
  EXPECT_EQ(spec.seed, 1);
  EXPECT_EQ(spec.target.kind, TargetKind::remove_params);
  EXPECT_DOUBLE_EQ(spec.target.amount, 0.4);
  EXPECT_EQ(spec.resources.ranks, 4);
  EXPECT_EQ(spec.calibration.length, 256);
  ASSERT_EQ(spec.calibration.text.size(), 1U);
  EXPECT_EQ(spec.calibration.text[0].path, (folder / "t.txt").string());
  EXPECT_FALSE(spec.calibration.text[0].last)
      << "the recipe evaluates on a text of its own: nothing is held out";
  EXPECT_EQ(spec.kind, JobKind::compress);
}

TEST(ResolveJob, holds_out_the_last_windows_where_nothing_else_is_evaluated) {
  RecipeOptions options;
  options.model = "m";
  options.text = {"a.txt", "b.txt"};
  const JobSpec spec = resolve_job(options, JobKind::compress, "/here");
  ASSERT_EQ(spec.evaluate.text.size(), 2U);
  EXPECT_EQ(spec.calibration.text[1].path, "/here/b.txt");
  EXPECT_EQ(spec.calibration.text[1].last, -8);
  EXPECT_EQ(spec.evaluate.text[1].first, -8);
  EXPECT_FALSE(spec.evaluate.text[1].last);
}

TEST(ResolveJob, evaluate_takes_its_text_whole) {
  RecipeOptions options;
  options.model = "m";
  options.text = {"a.txt"};
  const JobSpec spec = resolve_job(options, JobKind::evaluate, "/here");
  ASSERT_EQ(spec.evaluate.text.size(), 1U);
  EXPECT_EQ(spec.evaluate.text[0].first, 0);
  EXPECT_TRUE(spec.calibration.text.empty());
}

struct BadRow {
  const char* name;
  std::vector<std::string> settings;
  ErrorCode code;
  const char* part;
};

class BadSettings : public ::testing::TestWithParam<BadRow> {};

TEST_P(BadSettings, are_refused_with_path_and_suggestion) {
  RecipeOptions options;
  options.model = "m";
  options.settings = GetParam().settings;
  expect_error([&] { resolve_job(options, JobKind::compress, "/"); }, GetParam().code, GetParam().part);
}

const BadRow bad_rows[] = {
    {"unknown_key", {"calibraton.length=5"}, ErrorCode::unknown_key, "Did you mean 'calibration'"},
    {"key_that_a_run_fills_in", {"stages=[evaluate]"}, ErrorCode::unknown_key, "stages"},
    {"kind_that_a_command_fills_in", {"kind=evaluate"}, ErrorCode::unknown_key, "kind"},
    {"tasks", {"evaluate.tasks=[a.jsonl]"}, ErrorCode::unknown_key, "samples, text"},
    {"format_that_is_not_there", {"export.format=deci"}, ErrorCode::out_of_range, "one of uniform, custom"},
    {"digest_that_a_run_fills_in",
     {"finetune.teacher_digest=abc"},
     ErrorCode::unknown_key,
     "finetune.teacher_digest"},
    {"unknown_inner_key", {"encode.refine_step=5"}, ErrorCode::unknown_key, "Did you mean 'refine_steps'"},
    {"wrong_type", {"calibration.length=long"}, ErrorCode::wrong_type, "calibration.length"},
    {"fraction_as_text", {"target.remove_params='0.3'"}, ErrorCode::wrong_type, "target.remove_params"},
    {"out_of_range", {"target.remove_params=1.5"}, ErrorCode::out_of_range, "target.remove_params"},
    {"unknown_structure", {"structures=[fnn]"}, ErrorCode::out_of_range, "ffn"},
    {"unknown_format", {"export.format=unifrom"}, ErrorCode::out_of_range, "uniform"},
    {"vo_asked_of_uniform", {"structures=[vo]"}, ErrorCode::impossible_combination, "export.format=uniform"},
    {"text_of_wrong_type", {"calibration.text=[3]"}, ErrorCode::wrong_type, "calibration.text[0]"},
    {"unknown_text_key", {"calibration.text=[{path: a, window: 0:3}]"}, ErrorCode::unknown_key, "windows"},
};
INSTANTIATE_TEST_SUITE_P(JobOptions, BadSettings, ::testing::ValuesIn(bad_rows),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace cce
