#include "common/base/numeric_environment.h"

#include <gmock/gmock.h>

#include <cstdlib>

namespace cce {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NumericEnvironment, holds_what_is_set_and_nothing_else) {
  for (const std::string_view name : numeric_variables()) {
    ASSERT_EQ(::unsetenv(std::string(name).c_str()), 0);
  }
  EXPECT_THAT(numeric_environment(), IsEmpty());
  ASSERT_EQ(::setenv("OPENBLAS_CORETYPE", "Haswell", 1), 0);
  ASSERT_EQ(::setenv("DNNL_MAX_CPU_ISA", "", 1), 0);
  ASSERT_EQ(::setenv("OPENBLAS_VERBOSE", "2", 1), 0);
  EXPECT_THAT(numeric_environment(),
              ElementsAre(std::pair<const std::string, std::string>("OPENBLAS_CORETYPE", "Haswell")));
}

}  // namespace
}  // namespace cce
