// Replays the corpus of the request path's fuzzer, and seeded mutations of it. scripts/fuzz.sh runs the
// fuzzer itself; what it finds is added to tests/fuzz/corpus/http_request.
#include <gtest/gtest.h>

#include <random>

#include "common/file.h"
#include "tests/fuzz/http_request.h"

namespace cce {
namespace {

constexpr std::uint64_t mutations_of_each = 100;

std::vector<std::pair<std::string, std::string>> corpus() {
  const PosixFileSystem files;
  const std::filesystem::path folder = std::filesystem::path(CCE_TESTS_DIR) / "fuzz/corpus/http_request";
  std::vector<std::pair<std::string, std::string>> cases;
  for (const std::string& name : files.list(folder)) {
    cases.emplace_back(name, files.read_text(folder / name, 1 << 20));
  }
  return cases;
}

/// A byte changed, a stretch removed or doubled, or a piece of another case put in.
std::string mutate(std::string text, const std::string& other, std::mt19937_64& random) {
  const auto below = [&random](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  for (std::size_t edits = 1 + below(3); edits > 0 && !text.empty() && !other.empty(); --edits) {
    const std::size_t at = below(text.size());
    switch (below(4)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, 1 + below(8));
        break;
      case 2:
        text.insert(at, text.substr(at, 1 + below(8)));
        break;
      default:
        text.insert(at, other.substr(below(other.size()), 1 + below(20)));
        break;
    }
  }
  return text;
}

TEST(HttpRequestFuzzTest, the_corpus_breaks_no_promise) {
  HttpRequestTarget target;
  const auto cases = corpus();
  ASSERT_GE(cases.size(), 20U);
  std::size_t whole = 0;
  for (const auto& [name, bytes] : cases) {
    EXPECT_NO_THROW(whole += target.serve(bytes) ? 1 : 0) << name;
  }
  EXPECT_GE(whole, cases.size() * 9 / 10) << "a corpus that the parser refuses tries nothing";
}

TEST(HttpRequestFuzzTest, mutations_of_the_corpus_break_no_promise) {
  HttpRequestTarget target;
  const auto cases = corpus();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (std::uint64_t seed = 0; seed < mutations_of_each; ++seed) {
      std::mt19937_64 random(seed * 1000 + i);
      const std::string bytes = mutate(cases[i].second, cases[random() % cases.size()].second, random);
      EXPECT_NO_THROW(target.serve(bytes)) << cases[i].first << ", seed " << seed;
    }
  }
}

}  // namespace
}  // namespace cce
