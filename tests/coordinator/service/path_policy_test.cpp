#include "coordinator/service/path_policy.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "common/recipe/recipe_keys.h"
#include "coordinator/recipe/recipe.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

/// root/model, root/text.txt, root/inside -> model, root/out -> ../secret, root-2/, secret/file
class Paths : public ::testing::Test {
 protected:
  Paths() {
    fs::create_directories(folder_ / "root/model");
    fs::create_directories(folder_ / "root-2");
    fs::create_directories(folder_ / "secret");
    std::ofstream(folder_ / "root/text.txt") << "x";
    std::ofstream(folder_ / "secret/file") << "x";
    std::ofstream(folder_ / "root-2/file") << "x";
    fs::create_symlink("model", folder_ / "root/inside");
    fs::create_symlink("../secret", folder_ / "root/out");
    fs::create_symlink("../secret/new", folder_ / "root/dangling");
  }
  PathPolicy policy() const { return PathPolicy({folder_ / "root"}); }
  std::string in(const std::string& path) const { return (folder_ / "root" / path).string(); }

  TemporaryFolder folder_;
};

TEST_F(Paths, below_a_root_links_resolved) {
  const fs::path root = fs::canonical(folder_ / "root");
  EXPECT_EQ(policy().existing(in("text.txt"), "text"), root / "text.txt");
  EXPECT_EQ(policy().existing("model", "model"), root / "model");
  EXPECT_EQ(policy().existing(in("inside"), "model"), root / "model");
  EXPECT_EQ(policy().existing(in("model/../text.txt"), "text"), root / "text.txt");
  EXPECT_EQ(policy().writable(in("new/folder"), "output"), root / "new/folder");
  EXPECT_EQ(policy().writable("result", "output"), root / "result");
}

TEST_F(Paths, nothing_outside_and_no_word_of_what_is_there) {
  const std::string secret = (folder_ / "secret").string();
  for (const std::string& path :
       {secret + "/file", secret + "/no-such-file", in("out/file"), in("out"), in("../secret/file"),
        in("../root-2/file"), std::string("../secret/file"), std::string("/etc/passwd"), std::string("/"),
        std::string(""), std::string("model\0x", 7), std::string(5000, 'a')}) {
    const Error error = error_of([&] { policy().existing(path, "model"); });
    EXPECT_EQ(error_name(error.code), "out_of_range") << path << ": " << describe(error);
    EXPECT_EQ(error.where, "model");
  }
  for (const char* path : {"no-such-file", "dangling"}) {
    expect_error([&] { policy().existing(in(path), "model"); }, ErrorCode::missing_file, "model");
  }
  for (const std::string& path :
       {in("out/new"), in("dangling"), in("dangling/x"), in("../new"), in("."), secret}) {
    expect_error([&] { policy().writable(path, "output"); }, ErrorCode::out_of_range, "output");
  }
  expect_error([&] { PathPolicy({folder_ / "no-root"}); }, ErrorCode::missing_file, "no-root");
  const PathPolicy no_roots({});
  expect_error([&] { no_roots.existing("model", "model"); }, ErrorCode::out_of_range, "model");
  expect_error([&] { no_roots.writable("x", "output"); }, ErrorCode::out_of_range, "output");
}

TEST_F(Paths, no_output_at_in_or_around_the_servers_data) {
  const fs::path data = folder_ / "root/all/data";
  fs::create_directories(data / "jobs/other/result");
  fs::create_directory_symlink("data", folder_ / "root/all/alias");
  const PathPolicy policy({folder_ / "root"}, data);
  for (const char* path : {"all/data/jobs/other/result", "all/data/runs/x", "all/data", "all", "all/alias/x",
                           "all/x/../data", "all/./data/new"}) {
    expect_error([&] { policy.writable(path, "output"); }, ErrorCode::out_of_range, "keeps its jobs");
  }
  EXPECT_EQ(policy.writable("all/data-2", "output"), fs::canonical(folder_ / "root/all") / "data-2");
  EXPECT_EQ(policy.existing("all/data/jobs/other/result", "model"), fs::canonical(data / "jobs/other/result"))
      << "an earlier result may be compressed again";
  // Data that does not exist yet is no place for outputs either.
  const PathPolicy early({folder_ / "root"}, folder_ / "root/data");
  expect_error([&] { early.writable("data/x", "output"); }, ErrorCode::out_of_range, "keeps its jobs");
}

TEST_F(Paths, every_path_of_a_recipe) {
  const std::string root = fs::canonical(folder_ / "root").string();
  Json recipe = Json::parse(R"({"model": "inside", "output": "new",
      "calibration": {"text": ["text.txt", {"path": "text.txt", "windows": "0:2"}]},
      "evaluate": {"text": "text.txt"}, "finetune": {"teacher": "model"},
      "resources": {"container": "text.txt"}})");
  policy().resolve_recipe(recipe);
  EXPECT_EQ(recipe["model"], root + "/model");
  EXPECT_EQ(recipe["output"], root + "/new");
  EXPECT_EQ(recipe["calibration"]["text"][0], root + "/text.txt");
  EXPECT_EQ(recipe["calibration"]["text"][1]["path"], root + "/text.txt");
  EXPECT_EQ(recipe["evaluate"]["text"], root + "/text.txt");
  EXPECT_EQ(recipe["finetune"]["teacher"], root + "/model");
  EXPECT_EQ(recipe["resources"]["container"], root + "/text.txt");
  for (const char* bad :
       {R"({"model": "out"})", R"({"output": "out/x"})", R"({"calibration": {"text": ["out/file"]}})",
        R"({"calibration": {"text": {"path": "/etc/passwd"}}})",
        R"({"evaluate": {"text": "../secret/file"}})", R"({"evaluate": {"text": [["/etc/passwd"]]}})",
        R"({"resources": {"container": "/etc/passwd"}})", R"({"finetune": {"teacher": "/root"}})",
        R"({"finetune": {"validation": ["/etc/passwd"]}})"}) {
    Json refused = Json::parse(bad);
    expect_error([&] { policy().resolve_recipe(refused); }, ErrorCode::out_of_range,
                 "folders that this server");
  }
}

/// A recipe with one key.
Json recipe_with(const RecipeKey& key, Json value) {
  Json inner{{key.name, std::move(value)}};
  return key.section.empty() ? inner : Json{{key.section, std::move(inner)}};
}

Json value_of(const Json& recipe, const RecipeKey& key) {
  return key.section.empty() ? recipe[key.name] : recipe[key.section][key.name];
}

TEST_F(Paths, every_path_key_of_the_table_is_anchored_and_fenced) {
  int paths = 0;
  for (const RecipeKey* key : recipe_keys()) {
    if (key->path == KeyPath::none) {
      continue;
    }
    SCOPED_TRACE(key->key_path());
    ++paths;
    Json recipe = recipe_with(*key, "text.txt");
    anchor_paths(recipe, folder_ / "root");
    EXPECT_EQ(value_of(recipe, *key), in("text.txt"));
    policy().resolve_recipe(recipe);
    EXPECT_EQ(value_of(recipe, *key), (fs::canonical(folder_ / "root") / "text.txt").string());
    for (const char* outside : {"/etc/passwd", "../secret/file", "out/file"}) {
      Json refused = recipe_with(*key, outside);
      expect_error([&] { policy().resolve_recipe(refused); }, ErrorCode::out_of_range, key->key_path());
    }
  }
  EXPECT_GE(paths, 8);
}

/// A key that takes text is a path, or it is known to be none: a new one has to be decided about here.
TEST(RecipePaths, no_text_is_a_path_without_saying_so) {
  const std::set<std::string> plain{"model_digest",         "target.fit_bytes",  "finetune.teacher_digest",
                                    "resources.partition",  "resources.account", "resources.qos",
                                    "resources.constraint", "resources.modules", "resources.memory",
                                    "resources.time_limit"};
  for (const RecipeKey* key : recipe_keys()) {
    const std::string schema = key->schema.dump();
    const bool takes_text =
        schema.find("\"string\"") != std::string::npos || schema.find("TextSource") != std::string::npos;
    EXPECT_EQ(takes_text, key->path != KeyPath::none || plain.contains(key->key_path())) << key->key_path();
  }
}

}  // namespace
}  // namespace cce
