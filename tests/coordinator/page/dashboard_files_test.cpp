#include "coordinator/page/dashboard_files.h"

#include <gmock/gmock.h>

#include <regex>
#include <string>

namespace cce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// The paths that index.html names, itself first.
std::vector<std::string> paths() {
  const std::string page(dashboard_file("/")->content);
  std::vector<std::string> found{"/"};
  const std::regex reference(R"re((?:src|href)="([\w.]+)")re");
  for (std::sregex_iterator at(page.begin(), page.end(), reference), end; at != end; ++at) {
    found.push_back(std::string("/").append((*at)[1].str()));
  }
  return found;
}

TEST(DashboardFiles, every_file_that_the_page_names_is_there) {
  EXPECT_GE(paths().size(), 7U);
  for (const std::string& path : paths()) {
    const std::optional<DashboardFile> file = dashboard_file(path);
    ASSERT_TRUE(file) << path;
    EXPECT_GT(file->content.size(), 100U) << path;
    EXPECT_THAT(std::string(file->content_type), HasSubstr("charset=utf-8")) << path;
  }
}

TEST(DashboardFiles, nothing_else_is_there) {
  for (const char* path :
       {"", "app.js", "/../app.js", "/app.js?x", "/report_page.js", "/v1/jobs", "/APP.JS"}) {
    EXPECT_FALSE(dashboard_file(path)) << path;
  }
}

TEST(DashboardFiles, text_cannot_become_markup_and_nothing_comes_from_elsewhere) {
  for (const std::string& path : paths()) {
    std::string content(dashboard_file(path)->content);
    content = std::regex_replace(content, std::regex("http://www\\.w3\\.org/2000/svg"), "");
    for (const char* word :
         {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
          "http://", "https://", "@import", "javascript:", " onclick=", " style=\""}) {
      EXPECT_THAT(content, Not(HasSubstr(word))) << path;
    }
  }
}

TEST(DashboardFiles, the_policy_allows_the_pages_own_files_only) {
  const std::string policy(dashboard_security_policy());
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, HasSubstr("script-src 'self'"));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
}

}  // namespace
}  // namespace cce
