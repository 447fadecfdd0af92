#include "coordinator/system/beneath.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "common/base/error.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

using testing::ElementsAre;
using testing::Field;

/// ROOT/result with a file, a folder with a file, and everything that must not be served.
class BeneathTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = folder_.path() / "result";
    std::filesystem::create_directories(root_ / "inner");
    std::ofstream(root_ / "config.json") << "0123456789";
    std::ofstream(root_ / "inner" / "a b.txt") << "inner";
    std::ofstream(folder_.path() / "secret") << "secret";
    std::filesystem::create_symlink("../secret", root_ / "link");
    std::filesystem::create_symlink("config.json", root_ / "harmless_link");
    std::filesystem::create_directory_symlink("..", root_ / "linked_folder");
    ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  }

  TemporaryFolder folder_;
  std::filesystem::path root_;
};

TEST_F(BeneathTest, opens_files_and_reads_parts_of_them) {
  const auto file = open_beneath(root_, "config.json");
  EXPECT_EQ(file->bytes(), 10);
  EXPECT_EQ(file->read(0, 10), "0123456789");
  EXPECT_EQ(file->read(3, 4), "3456");
  EXPECT_EQ(file->read(8, 10), "89");
  EXPECT_EQ(open_beneath(root_, "inner/a b.txt")->read(0, 5), "inner");
}

TEST_F(BeneathTest, refuses_what_leads_elsewhere_like_what_is_not_there) {
  for (const char* path : {"none", "link", "harmless_link", "linked_folder/secret", "pipe", "inner",
                           "../secret", "inner/../config.json", "", "/", "/etc/passwd", ".", "..", "inner/",
                           "inner//a b.txt", "config.json/x", "./config.json"}) {
    try {
      open_beneath(root_, path);
      ADD_FAILURE() << path << " was opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::missing_file) << path;
    }
  }
  EXPECT_THROW(open_beneath(root_, std::string("config.json\0x", 13)), Error);
  EXPECT_THROW(open_beneath(root_, std::string(5000, 'a')), Error);
  EXPECT_THROW(open_beneath(folder_.path() / "none", "config.json"), Error);
}

TEST_F(BeneathTest, lists_regular_files_only) {
  EXPECT_THAT(list_beneath(root_),
              ElementsAre(Field(&FileEntry::path, "config.json"), Field(&FileEntry::path, "inner/a b.txt")));
  EXPECT_EQ(list_beneath(root_)[0].bytes, 10);
  EXPECT_TRUE(list_beneath(folder_.path() / "none").empty());
  EXPECT_THROW(list_beneath(root_, 1), Error);
}

TEST_F(BeneathTest, a_file_that_was_written_is_another_one) {
  const std::string before = open_beneath(root_, "config.json")->identity();
  EXPECT_EQ(open_beneath(root_, "config.json")->identity(), before);
  std::ofstream(root_ / "config.json", std::ios::app) << "more";
  EXPECT_NE(open_beneath(root_, "config.json")->identity(), before);
}

}  // namespace
}  // namespace cce
