// Replays the corpus of the request path's fuzzer, and seeded mutations of it. scripts/fuzz.sh runs the
// fuzzer itself; what it finds is added to tests/fuzz/corpus/http_request.
#include "tests/fuzz/http_request.h"

#include <gtest/gtest.h>

#include "tests/fuzz/corpus.h"

namespace cce {
namespace {

constexpr std::uint64_t mutations_of_each = 100;

TEST(HttpRequestFuzzTest, the_corpus_breaks_no_promise) {
  HttpRequestTarget target;
  const auto cases = fuzz_corpus("http_request");
  ASSERT_GE(cases.size(), 20U);
  std::size_t whole = 0;
  for (const auto& [name, bytes] : cases) {
    EXPECT_NO_THROW(whole += target.serve(bytes) ? 1 : 0) << name;
  }
  EXPECT_GE(whole, cases.size() * 9 / 10) << "a corpus that the parser refuses tries nothing";
}

TEST(HttpRequestFuzzTest, mutations_of_the_corpus_break_no_promise) {
  HttpRequestTarget target;
  const auto cases = fuzz_corpus("http_request");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (std::uint64_t seed = 0; seed < mutations_of_each; ++seed) {
      std::mt19937_64 random(seed * 1000 + i);
      const std::string bytes = mutated(cases[i].second, cases[random() % cases.size()].second, random);
      EXPECT_NO_THROW(target.serve(bytes)) << cases[i].first << ", seed " << seed;
    }
  }
}

}  // namespace
}  // namespace cce
