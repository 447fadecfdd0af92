#include "common/base/version.h"

#include <gtest/gtest.h>

namespace cce {
namespace {

TEST(VersionTest, the_code_and_the_build_name_the_same_version) {
  EXPECT_EQ(code_version, CCE_PROJECT_VERSION);
}

}  // namespace
}  // namespace cce
