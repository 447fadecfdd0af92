#include "coordinator/recipe/recipe_markdown.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace cce {
namespace {

TEST(RecipeMarkdown, is_what_docs_recipe_md_holds) {
  std::ostringstream page;
  page << std::ifstream(CCE_TESTS_DIR "/../docs/recipe.md").rdbuf();
  EXPECT_EQ(page.str(), recipe_markdown()) << "cce document recipe > docs/recipe.md writes it anew";
}

}  // namespace
}  // namespace cce
