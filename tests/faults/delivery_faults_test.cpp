// Every writing step of a delivery fails once, in each manner: what the output holds is the earlier result or
// the new one, never a mixture that a reader could take for one, and what others put beside it stays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "coordinator/system/checksums.h"
#include "coordinator/system/delivery.h"
#include "coordinator/system/folder_exchange.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/faults/fail_every_step.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using Contents = std::map<std::string, std::string>;

struct Place {
  const char* name;
  bool has_earlier, is_link, is_file;
};
const Place places[] = {{"new", false, false, false},
                        {"earlier_result", true, false, false},
                        {"earlier_result_behind_a_link", true, true, false},
                        {"file_with_force", false, false, true}};

class DeliveryFaults : public ::testing::TestWithParam<Place> {
 protected:
  /// Thousands of deliveries are walked here: they do not wait for a disk where there are files in memory.
  static void SetUpTestSuite() {
    if (fs::is_directory("/dev/shm")) {
      ::setenv("TMPDIR", "/dev/shm", 0);
    }
  }

  static void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  static void make_result(const fs::path& result, const std::string& text, const std::string& weights) {
    for (const std::string& name :
         {std::string("report.json"), std::string("config.json"), std::string("sub/part"), weights}) {
      write(result / name, text);
    }
    PosixFileSystem files;
    write_checksums(files, result);
  }
  static Contents read(const fs::path& folder) {
    Contents contents;
    PosixFileSystem files;
    for (const std::string& path : entries_inside(files, folder)) {
      std::ostringstream text;
      text << std::ifstream(folder / path, std::ios::binary).rdbuf();
      contents[path] = text.str();
    }
    return contents;
  }
  void prepare(const fs::path& root) const {
    make_result(root / "old-result", "old", "shard-1.safetensors");
    make_result(root / "result", "new", "model.safetensors");
    PosixFileSystem files;
    if (GetParam().is_link) {
      fs::create_directory(root / "elsewhere");
      fs::create_directory_symlink("elsewhere", root / "out");
    }
    if (GetParam().has_earlier) {
      deliver_result(files, root / "old-result", root / "out", false);
    }
    if (GetParam().is_file) {
      write(root / "out", "old");
    }
    write(root / "out.old/notes", "mine");
    write(root / "out.tmp/notes", "mine");
  }
  /// Nobody has cleaned up yet: who looks now must not see a mixture.
  void check_as_it_is(const fs::path& root, const Contents& before, const Contents& after) const {
    if (!fs::is_directory(root / "out")) {
      return;
    }
    const Contents found = read(root / "out");
    if (found.contains("config.json")) {
      EXPECT_TRUE(found == after || (GetParam().has_earlier && found == before));
    }
  }
  void check_recovered(const fs::path& root, const Contents& before, const Contents& after,
                       bool passed) const {
    PosixFileSystem files;
    check_deliverable(files, root / "out", GetParam().is_file);
    if (fs::is_directory(root / "out")) {
      const Contents found = read(root / "out");
      EXPECT_TRUE(found == after || (!passed && GetParam().has_earlier && found == before));
    } else {
      EXPECT_FALSE(passed);
      EXPECT_FALSE(GetParam().has_earlier);
      EXPECT_EQ(fs::exists(root / "out"), GetParam().is_file);
    }
    EXPECT_EQ(fs::is_symlink(root / "out"), GetParam().is_link);
    EXPECT_EQ(read(root / "out.old"), (Contents{{"notes", "mine"}}));
    EXPECT_EQ(read(root / "out.tmp"), (Contents{{"notes", "mine"}}));
    EXPECT_EQ(read(root / "result"), after);
    // And the next delivery works, with nothing left over.
    deliver_result(files, root / "result", root / "out", GetParam().is_file);
    EXPECT_EQ(read(root / "out"), after);
    for (const fs::path& folder : {root, fs::canonical(root / "out")}) {
      for (const std::string& name : files.list(folder)) {
        EXPECT_FALSE(is_scratch(files, folder / name)) << name;
      }
    }
  }
};

TEST_P(DeliveryFaults, leave_the_earlier_result_or_the_new_one) {
  Contents before, after;
  const std::int64_t steps = fail_every_step(
      [&](FileSystem&, const fs::path& root) {
        prepare(root);
        before = read(root / "old-result");
        after = read(root / "result");
      },
      [](FileSystem& files, const fs::path& root) {
        deliver_result(files, root / "result", root / "out", GetParam().is_file);
      },
      [&](const fs::path& root, bool passed) {
        check_as_it_is(root, before, after);
        check_recovered(root, before, after, passed);
      });
  EXPECT_GT(steps, 28) << "many steps were walked";
}
INSTANTIATE_TEST_SUITE_P(Places, DeliveryFaults, ::testing::ValuesIn(places),
                         [](const auto& place) { return std::string(place.param.name); });

}  // namespace
}  // namespace cce
