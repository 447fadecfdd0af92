#include "common/job/numerics_record.h"

#include <gmock/gmock.h>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

NumericsIdentity kind(const std::string& blas, const std::string& build = "one") {
  return {.build = build, .facts = {{"threads", "1"}, {"openblas", blas}}};
}

TEST(NumericsRecord, goes_through_json) {
  const NumericsRecord record{.kinds = {kind("SkylakeX"), kind("Haswell")}, .next_may_differ = true};
  const NumericsRecord again = parse_numerics_record(to_json(record), "there");
  EXPECT_EQ(again.kinds, record.kinds);
  EXPECT_TRUE(again.next_may_differ);
}

TEST(NumericsRecord, json_of_another_kind_is_refused) {
  struct Row {
    const char* name;
    const char* text;
    ErrorCode code;
  };
  for (const Row& row :
       {Row{"version", R"({"schema_version": 2, "kinds": []})", ErrorCode::out_of_range},
        Row{"key", R"({"schema_version": 1, "kinds": [], "kind": 1})", ErrorCode::unknown_key},
        Row{"kinds", R"({"schema_version": 1, "kinds": 3})", ErrorCode::wrong_type},
        Row{"fact", R"({"schema_version": 1, "kinds": [{"a": 1}]})", ErrorCode::wrong_type},
        Row{"torn", R"({"schema_version")", ErrorCode::malformed_file}}) {
    SCOPED_TRACE(row.name);
    expect_error([&] { parse_numerics_record(row.text, "there"); }, row.code, "there");
  }
}

struct AttemptRow {
  const char* name;
  std::vector<NumericsIdentity> recorded;
  bool may_differ, keeps_work;
  NumericsIdentity present;
  std::vector<NumericsIdentity> expected;  ///< empty: refused
};
const AttemptRow attempt_rows[] = {
    {"the_first", {}, false, false, kind("SkylakeX"), {kind("SkylakeX")}},
    {"work_of_a_version_without_records", {}, false, true, kind("SkylakeX"), {kind("SkylakeX")}},
    {"the_same_again", {kind("SkylakeX")}, false, true, kind("SkylakeX"), {kind("SkylakeX")}},
    {"another_build", {kind("SkylakeX")}, false, true, kind("SkylakeX", "two"), {kind("SkylakeX")}},
    {"another_kind", {kind("SkylakeX")}, false, true, kind("Haswell"), {}},
    {"another_kind_and_nothing_kept", {kind("SkylakeX")}, false, false, kind("Haswell"), {kind("Haswell")}},
    {"another_kind_allowed",
     {kind("SkylakeX")},
     true,
     true,
     kind("Haswell"),
     {kind("SkylakeX"), kind("Haswell")}},
    {"the_latest_of_two", {kind("A"), kind("B")}, false, true, kind("B"), {kind("A"), kind("B")}},
    {"back_to_the_first_of_two", {kind("A"), kind("B")}, false, true, kind("A"), {}},
    {"allowed_and_not_needed", {kind("A")}, true, true, kind("A"), {kind("A")}},
};

class NumericsAttempt : public ::testing::TestWithParam<AttemptRow> {};

TEST_P(NumericsAttempt, is_recorded_or_refused) {
  const AttemptRow& row = GetParam();
  const NumericsRecord record{.kinds = row.recorded, .next_may_differ = row.may_differ};
  if (row.expected.empty()) {
    expect_error([&] { with_attempt(record, row.present, row.keeps_work, "/jobs/7"); },
                 ErrorCode::impossible_combination, "/jobs/7");
    return;
  }
  const NumericsRecord after = with_attempt(record, row.present, row.keeps_work, "/jobs/7");
  EXPECT_EQ(after.kinds, row.expected);
  EXPECT_FALSE(after.next_may_differ) << "it is said for one attempt";
}

INSTANTIATE_TEST_SUITE_P(Rows, NumericsAttempt, ::testing::ValuesIn(attempt_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(NumericsRecord, a_refusal_names_both_sides_and_the_way_on) {
  const Error error = error_of([] {
    with_attempt({.kinds = {kind("SkylakeX")}, .next_may_differ = false}, kind("Haswell"), true, "/jobs/7");
  });
  EXPECT_THAT(error.found, HasSubstr("openblas Haswell"));
  EXPECT_THAT(error.expected, HasSubstr("openblas SkylakeX"));
  EXPECT_THAT(error.remedy,
              AllOf(HasSubstr("OPENBLAS_CORETYPE"), HasSubstr("cce resume /jobs/7 --allow-other-numerics")));
}

TEST(NumericsRecord, lives_in_the_job_directory) {
  const TemporaryFolder folder;
  PosixFileSystem files;
  JobDir job = JobDir::create(files, folder.path() / "job", JobSpec{}, Partition{});
  EXPECT_FALSE(read_numerics(files, job).has_value());
  allow_other_numerics(files, job);
  EXPECT_FALSE(read_numerics(files, job).has_value()) << "there is nothing to differ from";

  record_attempt(files, job, kind("SkylakeX"));
  job.begin_state("calibrate");
  record_attempt(files, job, kind("Haswell"));
  EXPECT_THAT(read_numerics(files, job)->kinds, ElementsAre(kind("Haswell")))
      << "an unfinished state is no work";
  job.publish_state("calibrate", "inputs");
  expect_error([&] { record_attempt(files, job, kind("SkylakeX")); }, ErrorCode::impossible_combination,
               "openblas");
  EXPECT_THAT(read_numerics(files, job)->kinds, ElementsAre(kind("Haswell")));
  allow_other_numerics(files, job);
  record_attempt(files, job, kind("SkylakeX"));
  EXPECT_THAT(read_numerics(files, job)->kinds, ElementsAre(kind("Haswell"), kind("SkylakeX")));
  expect_error([&] { record_attempt(files, job, kind("Haswell")); }, ErrorCode::impossible_combination,
               "openblas");
}

}  // namespace
}  // namespace cce
