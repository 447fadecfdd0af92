#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "common/job/job_dir.h"
#include "common/job/numerics_record.h"
#include "common/model/formats/export_format.h"
#include "coordinator/command/commands.h"
#include "coordinator/recipe/recipe.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

/// The command line in a folder of its own, with the fake worker beside cce.
class CommandLine : public ::testing::Test {
 protected:
  CommandLine() {
    fs::create_symlink(CCE_FAKE_WORKER, folder_ / "cce-worker");
    fs::create_symlink(CCE_PROGRAM, folder_ / "cce");  // the local scheduler's launcher
    fs::copy(fs::path(CCE_TESTS_DIR) / "data/models/stories260K", folder_ / "model");
    std::ofstream(folder_ / "text.txt") << "Once upon a time there was a test.\n";
    ::setenv("CCE_FAKE_PARENT", std::to_string(::getpid()).c_str(), 1);
    mode("done");
  }
  ~CommandLine() override {
    ::unsetenv("CCE_FAKE_MODE");
    ::unsetenv("CCE_FAKE_PARENT");
  }

  static void mode(const char* name) { ::setenv("CCE_FAKE_MODE", name, 1); }

  int run(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    const Surroundings surroundings{.out = out_,
                                    .err = err_,
                                    .current_folder = folder_.path(),
                                    .program_folder = folder_.path(),
                                    .style = {}};
    return run_command_line(arguments, surroundings);
  }
  int compress(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"compress", "--model",   "model",   "--text", "text.txt",
                                       "--length", "128",       "--ranks", "2",      "--out",
                                       "out",      "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  std::string read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(folder_ / name).rdbuf();
    return text.str();
  }

  TemporaryFolder folder_;
  std::ostringstream out_, err_;
};

TEST_F(CommandLine, compress_delivers_result_report_and_table) {
  ASSERT_EQ(compress(), 0) << err_.str();
  for (const char* name :
       {"config.json", "report.json", "report.html", "README.md", "recipe.yaml", "plan.json"}) {
    EXPECT_TRUE(fs::exists(folder_ / "out" / name)) << name;
  }
  EXPECT_THAT(out_.str(), HasSubstr("−30.0 %"));
  EXPECT_THAT(out_.str(), HasSubstr("total time"));
  EXPECT_THAT(err_.str(), HasSubstr("[4/6] encode"));
  EXPECT_TRUE(fs::exists(folder_ / "out.job/spec.json"));
  EXPECT_FALSE(fs::exists(folder_ / "out.tmp"));
  const Json recipe = read_recipe(folder_ / "out/recipe.yaml");
  EXPECT_EQ(recipe["calibration"]["length"], 128);
}

TEST_F(CommandLine, json_prints_the_report_and_nothing_else) {
  ASSERT_EQ(compress({"--json"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), read("out/report.json"));
  EXPECT_NO_THROW(parse_json(out_.str(), "stdout"));
}

TEST_F(CommandLine, quiet_writes_nothing_to_stderr) {
  ASSERT_EQ(compress({"--quiet"}), 0);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(CommandLine, a_second_run_replaces_our_result_in_a_job_of_its_own) {
  ASSERT_EQ(compress(), 0);
  ASSERT_EQ(compress(), 0) << err_.str();
  EXPECT_TRUE(fs::exists(folder_ / "out.job-2/spec.json"));
}

TEST_F(CommandLine, an_output_that_is_not_ours_is_left_alone) {
  fs::create_directory(folder_ / "out");
  std::ofstream(folder_ / "out/thesis.txt") << "years of work";
  EXPECT_EQ(compress(), 2);
  EXPECT_EQ(read("out/thesis.txt"), "years of work");
  EXPECT_FALSE(fs::exists(folder_ / "out.job")) << "refused before anything starts";
  EXPECT_EQ(compress({"--force"}), 0) << err_.str();
  EXPECT_FALSE(fs::exists(folder_ / "out/thesis.txt"));
}

TEST_F(CommandLine, the_workers_error_decides_message_and_exit_code) {
  mode("error");
  EXPECT_EQ(compress(), 3);
  EXPECT_THAT(err_.str(), HasSubstr("does_not_fit at rank 0: found 9 GiB, expected 8 GiB. Use more ranks"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(CommandLine, a_dead_worker_leaves_its_last_words) {
  mode("die");
  EXPECT_EQ(compress(), 4);
  EXPECT_THAT(err_.str(), HasSubstr("a last word on stderr"));
  EXPECT_THAT(err_.str(), HasSubstr("cce resume"));
}

TEST_F(CommandLine, an_interrupt_stops_at_a_safe_point_and_resume_goes_on) {
  mode("interrupt");
  EXPECT_EQ(compress(), 5);
  EXPECT_THAT(err_.str(), HasSubstr("cce resume " + (folder_ / "out.job").string()));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  mode("done");
  EXPECT_EQ(run({"resume", "out.job"}), 0) << err_.str();
  EXPECT_TRUE(fs::exists(folder_ / "out/config.json"));
  EXPECT_FALSE(fs::exists(folder_ / "out.job/control/cancel"));
}

TEST_F(CommandLine, a_second_interrupt_stops_deaf_workers) {
  mode("deaf");
  EXPECT_EQ(compress(), 5);
  EXPECT_THAT(err_.str(), HasSubstr("Stopping at once"));
}

TEST_F(CommandLine, the_time_limit_ends_a_run_that_hangs) {
  mode("deaf");
  ::setenv("CCE_FAKE_PARENT", "0", 1);
  mode("hang");
  EXPECT_EQ(compress({"--set", "resources.time_limit=1s", "--set", "resources.ranks=1", "--grace", "0.5"}),
            4);
  EXPECT_THAT(err_.str(), HasSubstr("time limit"));
}

TEST_F(CommandLine, resume_wants_the_same_model) {
  mode("die");
  ASSERT_EQ(compress(), 4);
  mode("done");
  fs::rename(folder_ / "model", folder_ / "moved");
  EXPECT_EQ(run({"resume", "out.job"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--model"));
  EXPECT_EQ(run({"resume", "out.job", "--model", "moved"}), 0) << err_.str();
  std::ofstream(folder_ / "moved/config.json", std::ios::app) << " ";
  EXPECT_EQ(run({"resume", "out.job"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("digest_mismatch"));
}

TEST_F(CommandLine, resume_allows_other_numerics_where_it_is_told_to) {
  mode("die");
  ASSERT_EQ(compress(), 4);
  PosixFileSystem files;
  const JobDir job = JobDir::open(files, folder_ / "out.job");
  write_numerics(files, job, {.kinds = {{.build = "one", .facts = {{"openblas", "SkylakeX"}}}}});
  EXPECT_EQ(run({"resume", "out.job"}), 4);
  EXPECT_FALSE(read_numerics(files, job)->next_may_differ);
  EXPECT_EQ(run({"resume", "out.job", "--allow-other-numerics"}), 4);
  EXPECT_TRUE(read_numerics(files, job)->next_may_differ);
  mode("done");
  ASSERT_EQ(run({"resume", "out.job"}), 0) << err_.str();
  ASSERT_EQ(run({"export", "out.job", "--dtype", "f32", "--out", "again"}), 0) << err_.str();
  EXPECT_EQ(read_numerics(files, JobDir::open(files, folder_ / "again.job"))->kinds,
            read_numerics(files, job)->kinds)
      << "an export's layers were computed where the job's were";
}

TEST_F(CommandLine, resume_wants_the_same_teacher) {
  fs::copy(folder_ / "model", folder_ / "teacher");
  mode("die");
  ASSERT_EQ(run({"finetune", "model", "--teacher", "teacher", "--text", "text.txt", "--length", "128",
                 "--threads", "1", "--out", "out"}),
            4)
      << err_.str();
  mode("done");
  fs::rename(folder_ / "teacher", folder_ / "moved");
  EXPECT_EQ(run({"resume", "out.job"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("no teacher folder"));
  EXPECT_THAT(err_.str(), HasSubstr("--teacher DIR"));
  EXPECT_EQ(run({"resume", "out.job", "--teacher", "moved"}), 0) << err_.str();
  PosixFileSystem files;
  EXPECT_EQ(JobDir::open(files, folder_ / "out.job").read_spec().finetune.teacher,
            (folder_ / "moved").string());
  std::ofstream(folder_ / "moved/config.json", std::ios::app) << " ";
  EXPECT_EQ(run({"resume", "out.job"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("digest_mismatch"));
  EXPECT_THAT(err_.str(), HasSubstr("The teacher changed"));
  EXPECT_THAT(err_.str(), HasSubstr("name the original with --teacher"));
  fs::remove_all(folder_ / "moved");
  EXPECT_EQ(run({"export", "out.job", "--dtype", "f32", "--out", "again"}), 0)
      << "no teacher is needed for that: " << err_.str();
}

TEST_F(CommandLine, a_job_without_a_teacher_cannot_be_given_one) {
  mode("die");
  ASSERT_EQ(compress(), 4);
  EXPECT_EQ(run({"resume", "out.job", "--teacher", "model"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--teacher"));
}

TEST_F(CommandLine, finetune_takes_numbers_exactly) {
  ASSERT_EQ(run({"finetune", "model", "--teacher", "model", "--text", "text.txt", "--length", "128",
                 "--learning-rate", "4.123456789e-7", "--max-seconds", "0.0000001", "--max-tokens",
                 "1099511627776", "--out", "out"}),
            0)
      << err_.str();
  PosixFileSystem files;
  const FinetuneSettings settings = JobDir::open(files, folder_ / "out.job").read_spec().finetune;
  EXPECT_EQ(settings.learning_rate, 4.123456789e-7);
  EXPECT_EQ(settings.max_seconds, 1e-7);
  EXPECT_EQ(settings.max_tokens, 1099511627776);
}

TEST_F(CommandLine, formats_that_are_always_refused_are_not_offered) {
  for (const char* name : {"compress", "export"}) {
    ASSERT_EQ(run({name, "--help"}), 0);
    EXPECT_THAT(out_.str(), HasSubstr("uniform, custom or gguf")) << name;
    EXPECT_THAT(out_.str(), Not(HasSubstr("deci"))) << name;
  }
}

TEST_F(CommandLine, export_starts_from_the_state_of_a_finished_job) {
  ASSERT_EQ(compress(), 0);
  fs::create_directories(folder_ / "out.job/state/encode");
  std::ofstream(folder_ / "out.job/state/encode/layer-0") << "weights";
  ASSERT_EQ(run({"export", "out.job", "--format", "custom", "--out", "second"}), 0) << err_.str();
  EXPECT_EQ(read("second.job/state/encode/layer-0"), "weights");
  PosixFileSystem files;
  const JobSpec spec = JobDir::open(files, folder_ / "second.job").read_spec();
  EXPECT_EQ(spec.export_settings.format, ExportFormat::custom);
  EXPECT_EQ(spec.kind, JobKind::export_result);
  EXPECT_EQ(JobDir::open(files, folder_ / "out.job").read_spec().export_settings.format,
            ExportFormat::uniform);
}

TEST_F(CommandLine, evaluate_and_analyze_run_their_stages) {
  ASSERT_EQ(run({"evaluate", "model", "--text", "text.txt", "--length", "128"}), 0) << err_.str();
  ASSERT_EQ(run({"analyze", "model", "--text", "text.txt", "--length", "128", "--sequences", "4"}), 0)
      << err_.str();
  PosixFileSystem files;
  EXPECT_EQ(stages_of(JobDir::open(files, folder_ / "cce-jobs/evaluate").read_spec()),
            std::vector<Stage>{Stage::evaluate});
  EXPECT_EQ(stages_of(JobDir::open(files, folder_ / "cce-jobs/analyze").read_spec()),
            (std::vector<Stage>{Stage::calibrate, Stage::analyze}));
}

TEST_F(CommandLine, a_positional_that_is_a_file_is_a_recipe_and_a_folder_the_model) {
  std::ofstream(folder_ / "r.yaml")
      << "model: model\noutput: out\ncalibration: {text: text.txt, length: 128, sequences: 4}\n"
         "evaluate: {text: text.txt}\nfinetune: {teacher: model, text: text.txt, max_tokens: 8192}\n";
  for (const char* command : {"plan", "analyze", "evaluate", "finetune"}) {
    EXPECT_EQ(run({command, "r.yaml"}), 0) << command << ": " << err_.str();
  }
  EXPECT_FALSE(fs::exists(folder_ / "cce-jobs/finetune")) << "the recipe says where its result goes";
  EXPECT_TRUE(fs::exists(folder_ / "cce-jobs/analyze"))
      << "a report does not go where the recipe's checkpoint goes";
  for (const char* command : {"plan", "analyze", "evaluate"}) {
    EXPECT_EQ(run({command, "model", "--text", "text.txt", "--length", "128"}), 0)
        << command << ": " << err_.str();
  }
  EXPECT_EQ(run({"compress", "model", "--text", "text.txt", "--length", "128", "--out", "other"}), 0)
      << err_.str();
  EXPECT_EQ(run({"evaluate", "model", "--model", "out", "--text", "text.txt"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("one model"));
}

TEST_F(CommandLine, a_training_without_a_teacher_or_a_budget_is_refused) {
  EXPECT_EQ(run({"finetune", "model", "--text", "text.txt"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--teacher DIR"));
  EXPECT_EQ(run({"finetune", "model", "--teacher", "model", "--text", "text.txt", "--max-tokens", "0"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("finetune.max_tokens: found no budget"));
}

TEST_F(CommandLine, plan_runs_nothing_and_shows_what_would) {
  ASSERT_EQ(run({"plan", "--model", "model", "--text", "text.txt", "--out", "out", "--ranks", "2"}), 0)
      << err_.str();
  for (const char* part :
       {"remove_params: 0.3", "5 layers", "owns layers", "calibrate", "--probe measures"}) {
    EXPECT_THAT(out_.str(), HasSubstr(part));
  }
  EXPECT_FALSE(fs::exists(folder_ / "out.job"));
  ASSERT_EQ(run({"plan", "--model", "model", "--text", "text.txt", "--probe", "--json"}), 0) << err_.str();
  const Json plan = parse_json(out_.str(), "stdout");
  EXPECT_EQ(plan["partition"]["owner"].size(), 5U);
  EXPECT_EQ(plan["spec"]["calibration"]["sequences"], 64);
  const Json& disk = plan["disk_bytes"];
  EXPECT_EQ(disk["widest"].get<std::int64_t>(),
            disk["analyzed"].get<std::int64_t>() + disk["prepared"].get<std::int64_t>() +
                disk["encoded"].get<std::int64_t>() + disk["result"].get<std::int64_t>());
}

TEST_F(CommandLine, probe_prints_rates) {
  ASSERT_EQ(run({"probe"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("100.0 GFLOP/s"));
  ASSERT_EQ(run({"probe", "--json"}), 0);
  EXPECT_EQ(parse_json(out_.str(), "stdout")["memory_bytes"], 1e10);
}

struct BadRow {
  const char* name;
  std::vector<std::string> arguments;
  int status;
  const char* part;
};

TEST_F(CommandLine, bad_input_is_refused_before_any_work) {
  const std::vector<BadRow> rows{
      {"no_subcommand", {}, 2, "subcommand"},
      {"unknown_subcommand", {"compres"}, 2, "Did you mean 'compress'"},
      {"unknown_flag", {"compress", "--modle", "x"}, 2, "--modle"},
      {"no_model", {"compress", "--text", "text.txt"}, 2, "model"},
      {"missing_recipe", {"compress", "none.yaml"}, 2, "none.yaml"},
      {"missing_model", {"compress", "--model", "nowhere", "--text", "text.txt"}, 2, "nowhere"},
      {"no_text", {"compress", "--model", "model"}, 2, "calibration.text"},
      {"missing_text", {"compress", "--model", "model", "--text", "none.txt"}, 2, "none.txt"},
      {"too_many_ranks",
       {"compress", "--model", "model", "--text", "text.txt", "--ranks", "65"},
       2,
       "at most 64 ranks"},
      {"too_little_memory",
       {"compress", "--model", "model", "--text", "text.txt", "--memory", "10MiB"},
       3,
       "does_not_fit"},
      {"unknown_key",
       {"plan", "--model", "model", "--text", "text.txt", "--set", "sede=1"},
       2,
       "Did you mean 'seed'"},
      {"probe_of_a_gpu",
       {"plan", "--model", "model", "--text", "text.txt", "--probe", "--set", "resources.device=cuda"},
       2,
       "resources.device=cuda"},
      {"no_such_job", {"resume", "nothing.job"}, 2, "nothing.job"},
      {"worker_not_there", {"probe", "--worker", "no-such-worker"}, 2, "no-such-worker"}};
  for (const BadRow& row : rows) {
    EXPECT_EQ(run(row.arguments), row.status) << row.name << ": " << err_.str();
    EXPECT_THAT(err_.str(), HasSubstr(row.part)) << row.name;
    EXPECT_FALSE(fs::exists(folder_ / "cce-jobs")) << row.name;
  }
}

TEST_F(CommandLine, a_broken_checkpoint_is_refused_by_name) {
  std::ofstream(folder_ / "model/model.safetensors", std::ios::trunc) << "short";
  EXPECT_EQ(compress(), 2);
  EXPECT_THAT(err_.str(), HasSubstr("model.safetensors"));
  fs::remove(folder_ / "model/model.safetensors");
  EXPECT_EQ(compress(), 2);
  EXPECT_THAT(err_.str(), HasSubstr("missing_file"));
}

TEST_F(CommandLine, help_shows_every_subcommand_with_examples) {
  ASSERT_EQ(run({"--help"}), 0);
  for (const char* name : {"compress", "plan", "analyze", "evaluate", "export", "resume", "probe"}) {
    EXPECT_THAT(out_.str(), HasSubstr(name));
  }
  for (const char* name : {"compress", "plan", "analyze", "evaluate", "export", "resume", "probe"}) {
    ASSERT_EQ(run({name, "--help"}), 0);
    EXPECT_THAT(out_.str(), HasSubstr("Example")) << name;
    EXPECT_THAT(out_.str(), HasSubstr(std::string("cce ") + name)) << name;
  }
  ASSERT_EQ(run({"--version"}), 0);
}

}  // namespace
}  // namespace cce
