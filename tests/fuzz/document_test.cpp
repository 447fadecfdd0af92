// Replays the corpora of the document fuzzers, and seeded mutations of them: damaged input of every kind is
// refused by an Error and nothing else. scripts/fuzz.sh runs the fuzzers; what they find is added to
// tests/fuzz/corpus/FORMAT. A failing case prints its seed.
#include "tests/fuzz/document.h"

#include <gtest/gtest.h>

#include "tests/fuzz/corpus.h"

namespace cce {
namespace {

constexpr std::uint64_t mutations_of_each_format = 1500;

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const DocumentFormat& format : document_formats()) {
    names.push_back(format.name);
  }
  return names;
}

class DocumentFuzz : public ::testing::TestWithParam<std::string> {
 protected:
  DocumentFuzz() {
    for (const DocumentFormat& format : document_formats()) {
      format_ = format.name == GetParam() ? format : format_;
    }
  }
  DocumentFormat format_;
};

TEST_P(DocumentFuzz, the_corpus_breaks_no_promise) {
  std::size_t accepted = 0;
  for (const auto& [name, bytes] : fuzz_corpus(GetParam())) {
    EXPECT_NO_THROW(accepted += read_document(format_, bytes) ? 1 : 0) << name;
  }
  EXPECT_GE(accepted, 1U) << "a corpus that is refused leads nowhere";
}

TEST_P(DocumentFuzz, mutations_of_the_corpus_break_no_promise) {
  const auto cases = fuzz_corpus(GetParam());
  std::uint64_t refused = 0;
  for (std::uint64_t seed = 0; seed < mutations_of_each_format; ++seed) {
    std::mt19937_64 random(seed);
    const auto& [name, bytes] = cases[seed % cases.size()];
    const std::string changed = mutated(bytes, cases[random() % cases.size()].second, random);
    EXPECT_NO_THROW(refused += read_document(format_, changed) ? 0 : 1) << name << ", seed " << seed;
  }
  if (GetParam() != "sse") {  // every byte is good to that one
    EXPECT_GT(refused, mutations_of_each_format / 10);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, DocumentFuzz, ::testing::ValuesIn(format_names()),
                         [](const auto& row) { return row.param; });

}  // namespace
}  // namespace cce
