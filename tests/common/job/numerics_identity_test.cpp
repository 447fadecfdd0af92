#include "common/job/numerics_identity.h"

#include <gmock/gmock.h>

#include "tests/common/error_matcher.h"

namespace cce {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

NumericsIdentity skylake() {
  return {
      .build = "0.1.0 00ff",
      .facts = {
          {"device", "cpu"}, {"threads", "2"}, {"openblas", "0.3.21 SkylakeX"}, {"onednn", "2.6.3 AVX2"}}};
}

NumericsIdentity haswell() {
  NumericsIdentity identity = skylake();
  identity.facts[2].value = "0.3.21 Haswell";
  return identity;
}

TEST(NumericsIdentity, goes_through_json_in_order) {
  NumericsIdentity identity = skylake();
  identity.facts.push_back({"odd \"name\"", "a\nb"});
  EXPECT_EQ(parse_numerics_identity(to_json(identity), "there"), identity);
}

TEST(NumericsIdentity, json_of_another_kind_is_refused) {
  struct Row {
    const char* name;
    const char* text;
    ErrorCode code;
  };
  for (const Row& row :
       {Row{"no object", "[]", ErrorCode::wrong_type}, Row{"torn", "{", ErrorCode::malformed_file},
        Row{"a number", R"({"threads": 2})", ErrorCode::wrong_type},
        Row{"twice", R"({"a": "1", "a": "2"})", ErrorCode::malformed_file}}) {
    SCOPED_TRACE(row.name);
    expect_error([&] { parse_numerics_identity(row.text, "there"); }, row.code, "there");
  }
}

TEST(NumericsIdentity, differences_name_both_sides) {
  EXPECT_THAT(numerics_differences(skylake(), skylake()), IsEmpty());
  EXPECT_THAT(numerics_differences(skylake(), haswell()),
              ElementsAre(NumericsDifference{"openblas", "0.3.21 SkylakeX", "0.3.21 Haswell"}));
  NumericsIdentity gpu = skylake();
  gpu.facts = {{"device", "cuda"}, {"threads", "2"}, {"cublas", "12.4"}};
  EXPECT_THAT(numerics_differences(skylake(), gpu),
              ElementsAre(NumericsDifference{"device", "cpu", "cuda"},
                          NumericsDifference{"openblas", "0.3.21 SkylakeX", "none"},
                          NumericsDifference{"onednn", "2.6.3 AVX2", "none"},
                          NumericsDifference{"cublas", "none", "12.4"}));
}

TEST(NumericsIdentity, another_build_is_no_difference_of_kept_work) {
  NumericsIdentity rebuilt = skylake();
  rebuilt.build = "0.1.0 11aa";
  EXPECT_THAT(numerics_differences(skylake(), rebuilt), IsEmpty());
}

TEST(NumericsIdentity, ranks_that_agree_pass) {
  EXPECT_NO_THROW(check_ranks_agree({}));
  const std::vector<RankNumerics> ranks{{"n1", skylake()}, {"n2", skylake()}};
  EXPECT_NO_THROW(check_ranks_agree(ranks));
}

TEST(NumericsIdentity, ranks_that_differ_are_named_with_their_hosts) {
  NumericsIdentity rebuilt = skylake();
  rebuilt.build = "0.1.0 11aa";
  const std::vector<RankNumerics> ranks{
      {"n1", skylake()}, {"n2", haswell()}, {"n1", rebuilt}, {"n3", skylake()}};
  const Error error = error_of([&] { check_ranks_agree(ranks); });
  EXPECT_EQ(error.code, ErrorCode::impossible_combination);
  EXPECT_THAT(error.found, AllOf(HasSubstr("openblas: 0.3.21 SkylakeX on ranks 0, 2 and 3 (n1, n3), "
                                           "0.3.21 Haswell on rank 1 (n2)"),
                                 HasSubstr("build: 0.1.0 00ff on ranks 0, 1 and 3 (n1, n2, n3), "
                                           "0.1.0 11aa on rank 2 (n1)"),
                                 Not(HasSubstr("threads")), Not(HasSubstr("onednn"))));
  EXPECT_THAT(error.remedy, AllOf(HasSubstr("OPENBLAS_CORETYPE"), HasSubstr("resources.constraint")));
}

}  // namespace
}  // namespace cce
