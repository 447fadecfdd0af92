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
#include "tests/faults/faulty_file_system.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using Contents = std::map<std::string, std::string>;

struct Manner {
  const char* name;
  FaultyFileSystem::Fault fault;  // `step` is filled in by the loop
  bool power_cut;
};
const Manner manners[] = {
    {"no_space", {.step = 0, .code = ErrorCode::disk_full, .torn = true, .dead = false}, false},
    {"io_error", {.step = 0, .code = ErrorCode::io_failure, .torn = false, .dead = false}, false},
    {"killed", {.step = 0, .code = ErrorCode::io_failure, .torn = true, .dead = true}, false},
    {"power_cut", {.step = 0, .code = ErrorCode::io_failure, .torn = true, .dead = true}, true},
};

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
  for (const Manner& manner : manners) {
    std::int64_t step = 1;
    for (bool reached = true; reached; ++step) {
      SCOPED_TRACE(std::string(manner.name) + ", step " + std::to_string(step));
      const TemporaryFolder temporary;
      const fs::path& root = temporary.path();
      prepare(root);
      const Contents before = read(root / "old-result"), after = read(root / "result");
      PosixFileSystem real;
      FaultyFileSystem faulty(real);
      FaultyFileSystem::Fault fault = manner.fault;
      fault.step = step;
      faulty.set_fault(fault);
      bool passed = true;
      try {
        deliver_result(faulty, root / "result", root / "out", GetParam().is_file);
      } catch (const Error& error) {
        passed = false;
        EXPECT_EQ(error.found, "an injected fault") << describe(error);
        EXPECT_EQ(error.code, fault.code);
      }
      if (manner.power_cut) {
        faulty.cut_power();
      }
      reached = faulty.fault_was_reached();
      EXPECT_TRUE(passed || reached);
      check_as_it_is(root, before, after);
      check_recovered(root, before, after, passed);
    }
    EXPECT_GT(step, 30) << "many steps were walked";
  }
}
INSTANTIATE_TEST_SUITE_P(Places, DeliveryFaults, ::testing::ValuesIn(places),
                         [](const auto& place) { return std::string(place.param.name); });

}  // namespace
}  // namespace cce
