#include "coordinator/scheduler/slurm_script.h"

#include <gmock/gmock.h>

#include "common/base/file.h"
#include "common/job/partition.h"
#include "common/recipe/job_spec.h"
#include "coordinator/scheduler/launch_request.h"
#include "coordinator/system/process.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Launch plain_launch() {
  Launch launch;
  launch.name = "cce-12-2";
  launch.job_dir = "/jobs/12";
  launch.worker = "/opt/cce/bin/cce-worker";
  launch.attempt = 2;
  launch.ranks = 5;
  launch.threads = 3;
  launch.nodes = 2;
  return launch;
}

TEST(SlurmScript, asks_for_what_the_launch_says) {
  Launch launch = plain_launch();
  launch.gpus_per_rank = 1;
  launch.memory_bytes = (4LL << 30) + 1;
  launch.time_limit_seconds = 3601;
  launch.partition = "gpu,fast_2";
  launch.account = "nlp";
  launch.qos = "high";
  launch.constraint = "[h100*2&a100]|ib";
  const std::string script = render_slurm_script(launch, std::nullopt);
  for (const char* line : {"#!/bin/bash\n",
                           "\n#SBATCH --job-name=cce-12-2\n",
                           "\n#SBATCH --chdir=/jobs/12\n",
                           "\n#SBATCH --output=/jobs/12/logs/attempt-2.log\n",
                           "\n#SBATCH --nodes=2\n",
                           "\n#SBATCH --ntasks=5\n",
                           "\n#SBATCH --ntasks-per-node=3\n",
                           "\n#SBATCH --cpus-per-task=3\n",
                           "\n#SBATCH --mem-per-cpu=1366M\n",
                           "\n#SBATCH --gres=gpu:3\n",
                           "\n#SBATCH --time=61\n",
                           "\n#SBATCH --requeue\n",
                           "\n#SBATCH --signal=B:USR1@120\n",
                           "\n#SBATCH --partition=gpu,fast_2\n",
                           "\n#SBATCH --account=nlp\n",
                           "\n#SBATCH --qos=high\n",
                           "\n#SBATCH --constraint=[h100*2&a100]|ib\n",
                           "\n#SBATCH --export=NONE\n",
                           "--kill-on-bad-exit=1 --mpi=pmix --nodes=2 --ntasks=5",
                           "'/opt/cce/bin/cce-worker' \"$job\" --attempt 2"}) {
    EXPECT_THAT(script, HasSubstr(line));
  }
}

TEST(SlurmScript, leaves_out_what_nobody_asked_for) {
  const std::string script = render_slurm_script(plain_launch(), std::nullopt);
  for (const char* part : {"--partition", "--account", "--qos", "--constraint", "--gres", "--mem", "--time",
                           "module", "apptainer", "{{", "}}"}) {
    EXPECT_THAT(script, Not(HasSubstr(part)));
  }
}

TEST(SlurmScript, loads_profile_then_modules_and_runs_the_image_s_own_worker) {
  Launch launch = plain_launch();
  launch.environment_modules = {"gcc/12", "openmpi/4.1+cuda"};
  launch.container_image = "docker://registry.example/cce:1.0";
  const std::string script = render_slurm_script(launch, "/etc/cce/profile.sh");
  EXPECT_LT(script.find(". '/etc/cce/profile.sh' || exit 2\n"),
            script.find("module load 'gcc/12' 'openmpi/4.1+cuda' || exit 2\n"));
  EXPECT_THAT(
      script,
      HasSubstr("apptainer exec --bind \"$job\" 'docker://registry.example/cce:1.0' cce-worker \"$job\""));
  EXPECT_THAT(script, Not(HasSubstr("/opt/cce/bin")));
}

TEST(SlurmScript, carries_variables_past_export_none_and_after_the_site_s) {
  Launch launch = plain_launch();
  launch.environment = {{"CUBLAS_WORKSPACE_CONFIG", ":4096:8"},
                        {"GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2_Usable,-FMA"},
                        {"OPENBLAS_CORETYPE", "Haswell"}};
  launch.environment_modules = {"openblas"};
  const std::string script = render_slurm_script(launch, "/etc/cce/profile.sh");
  const std::string lines =
      "\nexport CUBLAS_WORKSPACE_CONFIG=':4096:8'\n"
      "export GLIBC_TUNABLES='glibc.cpu.hwcaps=-AVX2_Usable,-FMA'\n"
      "export OPENBLAS_CORETYPE='Haswell'\n";
  EXPECT_THAT(script, HasSubstr("\n#SBATCH --export=NONE\n"));
  EXPECT_LT(script.find("module load 'openblas'"), script.find(lines));
  EXPECT_LT(script.find(lines), script.find("\n  srun --export=ALL"));
}

struct NoticeRow {
  std::int64_t limit_seconds;
  const char* signal;
};
TEST(SlurmScript, short_limits_leave_most_of_the_time_for_work) {
  for (const NoticeRow& row : {NoticeRow{7200, "@120\n"}, NoticeRow{480, "@120\n"}, NoticeRow{240, "@60\n"},
                               NoticeRow{61, "@30\n"}, NoticeRow{1, "@15\n"}}) {
    Launch launch = plain_launch();
    launch.time_limit_seconds = row.limit_seconds;
    EXPECT_THAT(render_slurm_script(launch, std::nullopt), HasSubstr(row.signal)) << row.limit_seconds;
  }
}

struct RefusedRow {
  const char* name;
  void (*change)(Launch&, const std::string& text);
  const char* where;
};
const RefusedRow refused_rows[] = {
    {"job", [](Launch& l, const std::string& t) { l.job_dir = "/jobs/" + t; }, "job folder"},
    {"worker", [](Launch& l, const std::string& t) { l.worker = "/opt/" + t; }, "worker program"},
    {"partition", [](Launch& l, const std::string& t) { l.partition = t; }, "resources.partition"},
    {"account", [](Launch& l, const std::string& t) { l.account = t; }, "resources.account"},
    {"qos", [](Launch& l, const std::string& t) { l.qos = t; }, "resources.qos"},
    {"constraint", [](Launch& l, const std::string& t) { l.constraint = t; }, "resources.constraint"},
    {"modules",
     [](Launch& l, const std::string& t) {
       l.environment_modules = {"gcc", t};
     },
     "resources.modules"},
    {"variable", [](Launch& l, const std::string& t) { l.environment["OPENBLAS_CORETYPE"] = t; },
     "environment variable OPENBLAS_CORETYPE"},
    {"container", [](Launch& l, const std::string& t) { l.container_image = t; }, "resources.container"},
};

TEST(SlurmScript, nothing_escapes_from_a_value) {
  for (const RefusedRow& row : refused_rows) {
    for (const std::string& text :
         {std::string("a b"), std::string("a\n#SBATCH --uid=0"), std::string("a'b"), std::string("a\"b"),
          std::string("$(id)"), std::string("`id`"), std::string("a;b"), std::string("a\\b"),
          std::string("%j"), std::string("a\0b", 3), std::string("a{{b"), std::string("é"),
          std::string(2000, 'a')}) {
      Launch launch = plain_launch();
      row.change(launch, text);
      try {
        render_slurm_script(launch, std::nullopt);
        ADD_FAILURE() << row.name << " took " << text;
      } catch (const Error& error) {
        EXPECT_EQ(error.code, ErrorCode::unsupported) << row.name;
        EXPECT_EQ(error.where, row.where);
      }
    }
  }
}

TEST(SlurmScript, options_and_relative_paths_are_refused) {
  for (const RefusedRow& row : refused_rows) {
    Launch launch = plain_launch();
    row.change(launch, "--wrap");
    const std::string_view name = row.name;
    if (name != "job" && name != "worker" && name != "variable") {
      expect_error([&] { render_slurm_script(launch, std::nullopt); }, ErrorCode::unsupported, row.where);
    }
  }
  Launch launch = plain_launch();
  launch.job_dir = "jobs/12";
  expect_error([&] { render_slurm_script(launch, std::nullopt); }, ErrorCode::unsupported, "absolute path");
  launch = plain_launch();
  launch.container_image = "cce.sif";
  expect_error([&] { render_slurm_script(launch, std::nullopt); }, ErrorCode::unsupported,
               "resources.container");
  launch = plain_launch();
  launch.name = "cce-1-1\n";
  expect_error([&] { render_slurm_script(launch, std::nullopt); }, ErrorCode::invalid_argument,
               "name of a run");
  expect_error([&] { render_slurm_script(plain_launch(), "profile.sh"); }, ErrorCode::unsupported, "profile");
}

TEST(SlurmScript, more_nodes_than_ranks_are_refused) {
  Launch launch = plain_launch();
  launch.nodes = 6;
  expect_error([&] { render_slurm_script(launch, std::nullopt); }, ErrorCode::impossible_combination,
               "6 nodes for 5 ranks");
}

/// bash itself reads the rendered script: the template has no error of syntax whatever is filled in.
TEST(SlurmScript, bash_can_read_it) {
  Launch launch = plain_launch();
  launch.environment_modules = {"gcc/12"};
  launch.container_image = "/images/cce.sif";
  const TemporaryFolder folder;
  PosixFileSystem files;
  for (const bool full : {false, true}) {
    files.write_atomic(
        folder.path() / "job.sbatch",
        render_slurm_script(full ? launch : plain_launch(),
                            full ? std::optional<std::filesystem::path>("/p.sh") : std::nullopt));
    const ProgramResult result =
        run_to_end({"bash", "-n", (folder.path() / "job.sbatch").string()}, {}, 10.0);
    EXPECT_TRUE(result.succeeded()) << result.errors;
  }
}

TEST(LaunchRequest, takes_everything_from_recipe_and_partition) {
  JobSpec spec;
  spec.resources.threads = 4;
  spec.resources.nodes = 3;
  spec.resources.time_limit = "90s";
  spec.resources.partition = "gpu";
  spec.resources.modules = {"a", "b"};
  spec.resources.container = "/i.sif";
  Partition partition;
  partition.sequences.resize(6);
  EXPECT_EQ(launch_request(spec, partition).memory_bytes, std::nullopt);
  partition.forecast = {{.peak_bytes = 800, .host_bytes = 0, .stages = {}},
                        {.peak_bytes = 1000, .host_bytes = 0, .stages = {}}};
  const Launch launch = launch_request(spec, partition);
  EXPECT_EQ(launch.ranks, 6);
  EXPECT_EQ(launch.threads, 4);
  EXPECT_EQ(launch.nodes, 3);
  EXPECT_EQ(launch.gpus_per_rank, 0) << "the recipe's default of one GPU means nothing on a CPU";
  EXPECT_EQ(launch.memory_bytes, 1250);
  EXPECT_EQ(launch.time_limit_seconds, 90);
  EXPECT_EQ(launch.partition, "gpu");
  EXPECT_THAT(launch.environment_modules, ::testing::ElementsAre("a", "b"));
  EXPECT_EQ(launch.container_image, "/i.sif");
  spec.resources.memory_bytes = 5000;
  EXPECT_EQ(launch_request(spec, partition).memory_bytes, 5000);
  spec.resources.device = "cuda";
  EXPECT_EQ(launch_request(spec, partition).gpus_per_rank, 1);
}

TEST(LaunchRequest, asks_for_the_hosts_memory_where_the_recipes_is_the_gpus) {
  JobSpec spec;
  spec.resources.device = "cuda";
  spec.resources.memory_bytes = 5000;
  Partition partition;
  partition.sequences.resize(2);
  partition.forecast = {{.peak_bytes = 800, .host_bytes = 400, .stages = {}},
                        {.peak_bytes = 700, .host_bytes = 600, .stages = {}}};
  EXPECT_EQ(launch_request(spec, partition).memory_bytes, 750) << "the largest host's and a quarter";
  partition.forecast.clear();
  EXPECT_EQ(launch_request(spec, partition).memory_bytes, std::nullopt);
}

}  // namespace
}  // namespace cce
