#include "common/job/rank_errors.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

Error of(ErrorCode code, const std::string& where) {
  return Error{.code = code, .where = where, .found = "f", .expected = "e", .remedy = "R"};
}

class RankErrors : public ::testing::Test {
 protected:
  std::optional<Error> found(std::int64_t attempt) const {
    return find_rank_error(files_, folder_.path(), attempt);
  }
  void write(std::int64_t attempt, int rank, const Error& error) {
    write_rank_error(files_, folder_.path(), attempt, rank, error);
  }

  TemporaryFolder folder_;
  PosixFileSystem files_;
};

TEST_F(RankErrors, come_back_as_they_were_written) {
  EXPECT_FALSE(found(1).has_value());
  write(1, 3, of(ErrorCode::text_too_short, "text.txt"));
  const std::optional<Error> error = found(1);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(describe(*error), describe(of(ErrorCode::text_too_short, "text.txt")));
  EXPECT_FALSE(found(2).has_value()) << "another attempt's";
  EXPECT_FALSE(found(11).has_value());
}

TEST_F(RankErrors, the_cause_comes_before_what_follows_from_it) {
  write(1, 0, of(ErrorCode::worker_died, "rank 0"));
  EXPECT_EQ(found(1)->where, "rank 0");
  write(1, 1, of(ErrorCode::deadline_exceeded, "rank 1"));
  write(1, 10, of(ErrorCode::missing_tensor, "rank 10"));
  write(1, 2, of(ErrorCode::unsupported, "rank 2"));
  EXPECT_EQ(found(1)->where, "rank 2") << "ranks are numbers";
}

TEST_F(RankErrors, of_an_earlier_start_are_removed) {
  write(1, 0, of(ErrorCode::unsupported, "old"));
  write(2, 0, of(ErrorCode::unsupported, "other"));
  clear_rank_errors(files_, folder_.path(), 1);
  EXPECT_FALSE(found(1).has_value());
  EXPECT_EQ(found(2)->where, "other");
}

TEST_F(RankErrors, that_cannot_be_read_explain_nothing) {
  write(1, 4, of(ErrorCode::unsupported, "rank 4"));
  std::ofstream(folder_ / "logs/attempt-1.rank-0.json") << "{";
  std::ofstream(folder_ / "logs/attempt-1.rank-x.json") << "{}";
  EXPECT_EQ(found(1)->where, "rank 4");
}

}  // namespace
}  // namespace cce
