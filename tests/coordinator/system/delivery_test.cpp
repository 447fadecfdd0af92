#include "coordinator/system/delivery.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <sstream>

#include "coordinator/system/checksums.h"
#include "coordinator/system/folder_exchange.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using Contents = std::map<std::string, std::string>;

/// A result in FOLDER/job/result, and what is at FOLDER/out.
class Delivery : public ::testing::Test {
 protected:
  Delivery() { make_result("first"); }

  void write(const fs::path& path, const std::string& text) const {
    fs::create_directories((folder_ / path.string()).parent_path());
    std::ofstream(folder_ / path.string(), std::ios::binary) << text;
  }
  void make_result(const std::string& text, bool has_shards = false) {
    fs::remove_all(result());
    write("job/result/report.json", text);
    write("job/result/config.json", text);
    write("job/result/sub/part", text);
    write(has_shards ? "job/result/shard-1.safetensors" : "job/result/model.safetensors", text);
    write_checksums(files_, result());
  }
  fs::path result() const { return folder_ / "job/result"; }
  fs::path out() const { return folder_ / "out"; }
  Contents read(const fs::path& folder) const {
    Contents contents;
    for (const std::string& path : entries_inside(files_, folder)) {
      std::ostringstream text;
      text << std::ifstream(folder / path, std::ios::binary).rdbuf();
      contents[path] = text.str();
    }
    return contents;
  }
  std::vector<std::string> names(const fs::path& folder) const { return files_.list(folder); }
  void deliver(const fs::path& output, bool force = false) {
    check_deliverable(files_, output, force);
    deliver_result(files_, result(), output, force);
  }

  TemporaryFolder folder_;
  mutable PosixFileSystem files_;
};

TEST_F(Delivery, a_new_output_is_a_copy_and_nothing_else_is_left) {
  deliver(out());
  EXPECT_EQ(read(out()), read(result()));
  EXPECT_THAT(names(folder_.path()), UnorderedElementsAre("job", "out"));
  EXPECT_EQ(names(out()).size(), 5U);
}

TEST_F(Delivery, an_output_deep_down_gets_its_parents) {
  deliver(folder_ / "a/b/c/");
  EXPECT_EQ(read(folder_ / "a/b/c"), read(result()));
}

TEST_F(Delivery, an_earlier_result_is_replaced_in_the_same_folder) {
  make_result("first", true);
  deliver(out());
  struct stat before {
  }, after{};
  ASSERT_EQ(::stat(out().c_str(), &before), 0);
  make_result("second");
  deliver(out());
  ASSERT_EQ(::stat(out().c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino) << "who stands in it still does";
  EXPECT_EQ(read(out()), read(result())) << "shards of the earlier one are gone";
  EXPECT_EQ(names(out()).size(), 5U);
}

TEST_F(Delivery, neighbours_stay_whatever_their_names) {
  for (const char* neighbour :
       {"out.tmp", "out.old", "out.fetch", "out.job", ".out.cce-mine", ".out.cce-abcdefghij"}) {
    write(std::string(neighbour) + "/notes.txt", "mine");
  }
  const std::vector<std::string> before = names(folder_.path());
  deliver(out());
  make_result("second");
  deliver(out());
  std::vector<std::string> after = names(folder_.path());
  std::erase(after, "out");
  EXPECT_EQ(after, before);
  EXPECT_EQ(names(folder_ / "out.old"), std::vector<std::string>{"notes.txt"});
}

struct AdditionRow {
  const char *name, *path, *text, *named;
};
const AdditionRow addition_rows[] = {
    {"file", "out/mine.gguf", "x", "mine.gguf"},
    {"in_a_folder", "out/sub/mine", "x", "sub/mine"},
    {"changed", "out/config.json", "edited", "config.json (changed)"},
    {"hidden", "out/.git/HEAD", "x", ".git/HEAD"},
    {"like_scratch", "out/.cce-abcdefghij/x", "x", ".cce-abcdefghij/x"},
};
class Addition : public Delivery, public ::testing::WithParamInterface<AdditionRow> {};

TEST_P(Addition, to_an_earlier_result_is_named_and_stays) {
  deliver(out());
  write(GetParam().path, GetParam().text);
  const Contents before = read(out());
  make_result("second");
  for (int i = 0; i < 2; ++i) {  // before the work, and where it came during the work
    const Error error = error_of([&] {
      i == 0 ? check_deliverable(files_, out(), false) : deliver_result(files_, result(), out(), false);
    });
    EXPECT_EQ(error.code, ErrorCode::impossible_combination);
    EXPECT_THAT(error.found, HasSubstr(GetParam().named));
    EXPECT_THAT(error.remedy, HasSubstr("--force"));
    EXPECT_EQ(read(out()), before);
  }
  deliver(out(), true);
  EXPECT_EQ(read(out()), read(result()));
}
INSTANTIATE_TEST_SUITE_P(Rows, Addition, ::testing::ValuesIn(addition_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(Delivery, a_file_goes_only_with_force) {
  write("out", "years of work");
  expect_error([&] { deliver(out()); }, ErrorCode::impossible_combination, "a file");
  deliver(out(), true);
  EXPECT_EQ(read(out()), read(result()));
  EXPECT_THAT(names(folder_.path()), UnorderedElementsAre("job", "out"));
}

TEST_F(Delivery, links_stay_and_the_result_lies_behind_them) {
  fs::create_directory(folder_ / "elsewhere");
  fs::create_directory_symlink("elsewhere", folder_ / "link");
  fs::create_directory_symlink("new/place", folder_ / "dangling");
  fs::create_directory_symlink("dangling", folder_ / "twice");
  deliver(folder_ / "link");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(read(folder_ / "elsewhere"), read(result()));
  deliver(folder_ / "twice");
  EXPECT_TRUE(fs::is_symlink(folder_ / "twice") && fs::is_symlink(folder_ / "dangling"));
  EXPECT_EQ(read(folder_ / "new/place"), read(result()));
  fs::create_symlink("nothing", folder_ / "broken");
  expect_error([&] { check_deliverable(files_, folder_ / "broken/x/y", false); },
               ErrorCode::impossible_combination, "to nothing");
  fs::create_symlink("ring-b", folder_ / "ring-a");
  fs::create_symlink("ring-a", folder_ / "ring-b");
  expect_error([&] { deliver(folder_ / "ring-a"); }, ErrorCode::impossible_combination, "links");
}

TEST_F(Delivery, a_link_inside_an_output_is_no_way_out_of_it) {
  write("elsewhere/part", "mine");
  deliver(out());
  fs::remove_all(out() / "sub");
  fs::create_directory_symlink("../elsewhere", out() / "sub");
  expect_error([&] { deliver(out()); }, ErrorCode::impossible_combination, "sub");
  deliver(out(), true);
  EXPECT_EQ(read(folder_ / "elsewhere"), (Contents{{"part", "mine"}}));
  EXPECT_EQ(read(out()), read(result()));
}

TEST_F(Delivery, a_pipe_under_a_name_of_ours_is_not_waited_for) {
  for (const char* name : {"config.json", checksums_name}) {
    fs::remove_all(out());
    deliver(out());
    fs::remove(out() / name);
    ASSERT_EQ(::mkfifo((out() / name).c_str(), 0600), 0);
    expect_error([&] { deliver(out()); }, ErrorCode::impossible_combination, name);
    delivered_identity(files_, out());
    deliver(out(), true);
    EXPECT_EQ(read(out()), read(result()));
  }
}

TEST_F(Delivery, shares_no_file_with_the_job) {
  deliver(out());
  std::ofstream(out() / "config.json", std::ios::app) << "edited";
  EXPECT_EQ(read(result())["config.json"], "first");
  for (const auto& [path, text] : read(result())) {
    EXPECT_EQ(fs::hard_link_count(result() / path), 1U) << path;
  }
}

TEST_F(Delivery, no_output_where_jobs_and_inputs_are) {
  fs::create_directories(folder_ / "job/state");
  fs::create_directories(folder_ / "job/control");
  write("job/spec.json", "{}");
  write("served/jobs.sqlite", "");
  fs::create_directories(folder_ / "served/jobs");
  fs::create_directories(folder_ / "all/of/mine/model");
  fs::create_directory_symlink("served", folder_ / "alias");
  const DeliveryGuards guards{.job = folder_ / "jobs/new", .inputs = {folder_ / "all/of/mine/model"}};
  for (const char* output : {"job/result", "job/state/x", "job", "served/runs/x", "served", "alias/x",
                             "jobs/new", "jobs/new/result", "jobs", "all/of/mine/model", "all/of", "."}) {
    for (const bool force : {false, true}) {
      expect_error([&] { check_deliverable(files_, folder_ / output, force, guards); },
                   ErrorCode::impossible_combination, "output");
    }
  }
  check_deliverable(files_, folder_ / "all/of/mine/model/out", false, guards);
  check_deliverable(files_, folder_ / "jobs/newer", false, guards);
  EXPECT_FALSE(fs::exists(folder_ / "jobs"));
}

TEST_F(Delivery, what_a_killed_one_left_is_cleaned_up_and_what_is_at_work_stays) {
  std::string abandoned;
  {
    const ScratchFolder left = ScratchFolder::make(files_, folder_.path(), ".out.cce-");
    abandoned = left.path().filename();
    write(left.path().filename() / "new/part", "half");
  }
  const ScratchFolder at_work = ScratchFolder::make(files_, folder_.path(), ".out.cce-");
  deliver(out());
  EXPECT_THAT(names(folder_.path()), UnorderedElementsAre("job", "out", at_work.path().filename().string()));
}

TEST_F(Delivery, identity_tells_results_apart) {
  EXPECT_EQ(delivered_identity(files_, out()), "");
  deliver(out());
  const std::string first = delivered_identity(files_, out());
  make_result("second");
  deliver(out());
  EXPECT_NE(delivered_identity(files_, out()), first);
  EXPECT_NE(first, "");
}

}  // namespace
}  // namespace cce
