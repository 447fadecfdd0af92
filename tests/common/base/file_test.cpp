#include "common/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

using ::testing::ElementsAre;

class PosixFileTest : public ::testing::Test {
 protected:
  TemporaryFolder temporary_;
  PosixFileSystem files_;

  std::string read(const FileSystem::Path& path) { return files_.read_text(path, 1 << 20); }
};

TEST_F(PosixFileTest, atomic_writing_replaces_and_leaves_nothing_else) {
  files_.write_atomic(temporary_ / "a", "one");
  files_.write_atomic(temporary_ / "a", std::string("two\0three", 9));
  EXPECT_EQ(read(temporary_ / "a"), std::string("two\0three", 9));
  EXPECT_THAT(files_.list(temporary_.path()), ElementsAre("a"));
}

TEST_F(PosixFileTest, a_writer_appends) {
  const auto writer = files_.open_writer(temporary_ / "a", WriteMode::create_or_replace);
  writer->append(std::string_view("abc"));
  writer->append(std::string_view("de"));
  EXPECT_EQ(writer->bytes_written(), 5);
  writer->sync();
  writer->close();
  files_.truncate(temporary_ / "a", 4);
  files_.open_writer(temporary_ / "a", WriteMode::append)->append(std::string_view("!"));
  EXPECT_EQ(read(temporary_ / "a"), "abcd!");
  EXPECT_EQ(files_.file_bytes(temporary_ / "a"), 5);
}

TEST_F(PosixFileTest, maps_whole_files) {
  files_.write_atomic(temporary_ / "a", "mapped");
  files_.write_atomic(temporary_ / "empty", "");
  MappedFile mapped = files_.map_readonly(temporary_ / "a");
  const MappedFile moved = std::move(mapped);
  EXPECT_EQ(moved.bytes().size(), 6U);
  EXPECT_EQ(static_cast<char>(moved.bytes()[0]), 'm');
  EXPECT_TRUE(files_.map_readonly(temporary_ / "empty").bytes().empty());
}

TEST_F(PosixFileTest, lists_names_in_order) {
  for (const char* name : {"b", "a", "B"}) {
    files_.write_atomic(temporary_ / name, "");
  }
  files_.make_directory(temporary_ / "c" / "d");
  EXPECT_THAT(files_.list(temporary_.path()), ElementsAre("B", "a", "b", "c"));
  EXPECT_TRUE(files_.is_directory(temporary_ / "c"));
  EXPECT_FALSE(files_.is_directory(temporary_ / "a"));
  EXPECT_FALSE(files_.is_directory(temporary_ / "none"));
  EXPECT_GT(files_.free_bytes(temporary_.path()), 0);
}

TEST_F(PosixFileTest, publishing_replaces_a_folder) {
  const FileSystem::Path final_path = temporary_ / "final";
  for (const char* text : {"first", "second"}) {
    files_.make_directory(temporary_ / "temp" / "inner");
    files_.write_atomic(temporary_ / "temp" / "inner" / "a", text);
    files_.publish_directory(temporary_ / "temp", final_path);
    EXPECT_EQ(read(final_path / "inner" / "a"), text);
  }
  EXPECT_THAT(files_.list(temporary_.path()), ElementsAre("final"));
}

TEST_F(PosixFileTest, a_folder_moved_aside_comes_back) {
  for (const char* moment : {"before the new one came", "after it"}) {
    files_.make_directory(temporary_ / ".final.cce-old-abcdefghij");
    files_.recover_directory(temporary_ / "final");
    EXPECT_THAT(files_.list(temporary_.path()), ElementsAre("final")) << moment;
  }
}

TEST_F(PosixFileTest, publishing_and_recovering_leave_the_neighbours_alone) {
  for (const char* neighbour :
       {"final.old", "final.tmp", ".final.cce-old-mine", ".other.cce-old-abcdefghij"}) {
    files_.make_directory(temporary_ / neighbour);
  }
  files_.recover_directory(temporary_ / "final");
  EXPECT_FALSE(files_.exists(temporary_ / "final"));
  for (int i = 0; i < 2; ++i) {
    files_.make_directory(temporary_ / "temp");
    files_.publish_directory(temporary_ / "temp", temporary_ / "final");
  }
  files_.recover_directory(temporary_ / "final");
  EXPECT_THAT(files_.list(temporary_.path()), ElementsAre(".final.cce-old-mine", ".other.cce-old-abcdefghij",
                                                          "final", "final.old", "final.tmp"));
}

TEST_F(PosixFileTest, a_lock_is_exclusive_and_never_waits) {
  auto lock = files_.lock(temporary_ / "lock");
  expect_error([&] { files_.lock(temporary_ / "lock"); }, ErrorCode::job_locked, "lock");
  lock.reset();
  EXPECT_NO_THROW(files_.lock(temporary_ / "lock"));
}

TEST_F(PosixFileTest, failures_name_the_path) {
  files_.write_atomic(temporary_ / "file", "text");
  const FileSystem::Path none = temporary_ / "none" / "x";
  expect_error([&] { read(none); }, ErrorCode::missing_file, none.string());
  expect_error([&] { files_.map_readonly(none); }, ErrorCode::missing_file, none.string());
  expect_error([&] { files_.list(none); }, ErrorCode::missing_file, none.string());
  expect_error([&] { files_.file_bytes(none); }, ErrorCode::missing_file, none.string());
  expect_error([&] { files_.free_bytes(none); }, ErrorCode::missing_file, none.string());
  expect_error([&] { files_.open_writer(none, WriteMode::append); }, ErrorCode::missing_file, none.string());
  expect_error([&] { files_.write_atomic(none, ""); }, ErrorCode::missing_file, none.string());
  expect_error([&] { files_.rename(none, temporary_ / "y"); }, ErrorCode::missing_file, none.string());
  expect_error([&] { read(temporary_.path()); }, ErrorCode::io_failure, "directory");
  expect_error([&] { files_.make_directory(temporary_ / "file" / "x"); }, ErrorCode::io_failure, "file/x");
  expect_error([&] { files_.read_text(temporary_ / "file", 3); }, ErrorCode::io_failure, "more than 3 bytes");
  EXPECT_NO_THROW(files_.remove_all(none));
}

TEST_F(PosixFileTest, a_full_device_is_disk_full) {
  if (!files_.exists("/dev/full")) {
    GTEST_SKIP() << "no /dev/full here";
  }
  const auto writer = files_.open_writer("/dev/full", WriteMode::append);
  const Error error = error_of([&] { writer->append(std::string_view("text")); });
  EXPECT_EQ(error.code, ErrorCode::disk_full);
  EXPECT_THAT(error.remedy, ::testing::HasSubstr("Free space"));
}

TEST_F(PosixFileTest, a_limit_on_file_size_is_an_error_and_not_a_torn_file) {
  files_.write_atomic(temporary_ / "a", "old");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto previous = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Error error = error_of([&] { files_.write_atomic(temporary_ / "a", std::string(5000, 'x')); });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, previous);
  EXPECT_EQ(error.code, ErrorCode::io_failure);
  EXPECT_EQ(read(temporary_ / "a"), "old");
  EXPECT_THAT(files_.list(temporary_.path()), ElementsAre("a"));
}

}  // namespace
}  // namespace cce
