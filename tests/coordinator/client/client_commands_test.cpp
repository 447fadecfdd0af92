#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "common/base/json_reader.h"
#include "coordinator/command/commands.h"
#include "tests/common/temporary_folder.h"
#include "tests/coordinator/client/client_fixture.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const char* const running_job =
    R"({"id": "j1", "state": "running", "attempt": 2, "scheduler_id": "4711", "waiting_reason": null,
        "model": "smollm2-135m", "stages": ["calibrate", "encode"], "stage": "encode",
        "progress": {"done": 12, "total": 30, "layer": 11}, "tokens_per_second": 1234.0, "eta_seconds": 61.0,
        "ranks": [{"host": "a", "device": "cpu", "peak_bytes": 1048576}, {"host": "b", "device": "cpu", "peak_bytes": 2097152}],
        "metrics": {}, "warnings": [], "error": null, "times": {"created": 100.0}})";

/// The client commands in a folder of their own, against a scripted server.
class ClientCommands : public ::testing::Test {
 protected:
  int run(const ScriptedServer& server, std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--server", server.url()});
    return run(arguments);
  }
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
  static Json body_of(const std::string& request) {
    return parse_json(request.substr(request.find("\r\n\r\n") + 4), "request");
  }

  TemporaryFolder folder_;
  std::ostringstream out_, err_;
};

TEST_F(ClientCommands, submit_posts_the_recipe_with_absolute_paths_and_prints_the_id) {
  ScriptedServer server([](const std::string&, std::size_t) {
    return ScriptedServer::json(job_text("queued"), "201 Created");
  });
  fs::create_directory(folder_ / "recipes");
  std::ofstream(folder_ / "recipes/small.yaml")
      << "model: ../model\ncalibration: {text: [a.txt], length: 128}\n";
  ASSERT_EQ(
      run(server, {"submit", "recipes/small.yaml", "--remove", "0.2", "--set", "encode.ridge_lambda=0.1"}), 0)
      << err_.str();
  EXPECT_EQ(out_.str(), "j1\n");
  const std::string request = server.requests().at(0);
  EXPECT_EQ(header_of(request, "Idempotency-Key").size(), 32U);
  const Json recipe = body_of(request);
  EXPECT_EQ(recipe["model"], (folder_ / "model").string());
  EXPECT_EQ(recipe["calibration"]["text"][0], (folder_ / "recipes/a.txt").string());
  EXPECT_EQ(recipe["target"]["remove_params"], 0.2);
  EXPECT_EQ(recipe["encode"]["ridge_lambda"], 0.1);
  EXPECT_FALSE(recipe.contains("resources")) << "defaults are the server's to choose";
}

TEST_F(ClientCommands, submit_refuses_a_wrong_recipe_without_asking_the_server) {
  ScriptedServer server(
      [](const std::string&, std::size_t) { return ScriptedServer::json(job_text("queued")); });
  EXPECT_EQ(run(server, {"submit", "--model", "m", "--text", "t.txt", "--set", "targt.remove_params=0.2"}),
            2);
  EXPECT_THAT(err_.str(), HasSubstr("Did you mean 'target'?"));
  EXPECT_EQ(run(server, {"submit", "--model", "m", "--text", "t.txt", "--structures", "vo"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("impossible_combination"));
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(ClientCommands, submit_and_follow_ends_with_the_report) {
  ScriptedServer server([](const std::string& request, std::size_t) {
    const std::string line = line_of(request);
    if (line.find("/report") != std::string::npos) {
      return ScriptedServer::json(R"({"params": {"total": {"before": 1000, "after": 700}}})");
    }
    if (line.find("/events") != std::string::npos) {
      return ScriptedServer::events(
          "id: 1.0\nevent: state\ndata: {\"state\": \"completed\", \"time\": 1}\n\n", true);
    }
    return ScriptedServer::json(job_text(line.starts_with("POST") ? "queued" : "completed"));
  });
  ASSERT_EQ(run(server, {"submit", "--model", "m", "--text", "t.txt", "--follow"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("job j1"));
  EXPECT_THAT(err_.str(), HasSubstr("completed"));
  EXPECT_THAT(out_.str(), HasSubstr("parameters, whole model"));
  ASSERT_EQ(run(server, {"submit", "--model", "m", "--text", "t.txt", "--follow", "--json", "--quiet"}), 0);
  EXPECT_EQ(parse_json(out_.str(), "out")["params"]["total"]["after"], 700);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(ClientCommands, jobs_are_a_table_or_a_list) {
  ScriptedServer server([](const std::string&, std::size_t) {
    return ScriptedServer::json(std::string(R"({"jobs": [)") + running_job +
                                R"(, {"id": "j0", "state": "failed", "model": "tiny"}], "next": null})");
  });
  ASSERT_EQ(run(server, {"jobs", "--state", "running"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("j1"));
  EXPECT_THAT(out_.str(), HasSubstr("[2/2] encode"));
  EXPECT_THAT(out_.str(), HasSubstr("40 %"));
  EXPECT_THAT(out_.str(), HasSubstr("1 min 01 s"));
  EXPECT_THAT(server.requests().at(0), HasSubstr("state=running"));
  ASSERT_EQ(run(server, {"jobs", "--json"}), 0);
  EXPECT_EQ(parse_json(out_.str(), "out").size(), 2U);
  EXPECT_EQ(run(server, {"jobs", "--state", "runing"}), 2);
}

TEST_F(ClientCommands, status_shows_one_job) {
  ScriptedServer server([](const std::string&, std::size_t) { return ScriptedServer::json(running_job); });
  ASSERT_EQ(run(server, {"status", "j1"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("stage         [2/2] encode, layer 11, 40 %"));
  EXPECT_THAT(out_.str(), HasSubstr("throughput    1.23 k tokens/s"));
  EXPECT_THAT(out_.str(), HasSubstr("peak memory   2.0 MiB (largest rank)"));
  ASSERT_EQ(run(server, {"status", "j1", "--json"}), 0);
  EXPECT_EQ(parse_json(out_.str(), "out")["scheduler_id"], "4711");
}

TEST_F(ClientCommands, what_a_server_says_cannot_steer_the_terminal) {
  ScriptedServer server([](const std::string&, std::size_t) {
    return ScriptedServer::json(
        R"({"id": "j1\u001b[2J", "state": "failed\u009b2J", "error": {"code": "disk_full", "found": "\u0007"}})");
  });
  ASSERT_EQ(run(server, {"status", "j1"}), 0);
  EXPECT_EQ(out_.str().find_first_of("\x1B\x07"), std::string::npos);
  EXPECT_EQ(out_.str().find("\xC2\x9B"), std::string::npos);
}

TEST_F(ClientCommands, the_jobs_end_decides_the_exit_code_of_logs) {
  struct Row {
    const char *state, *error;
    int exit;
  };
  for (const Row& row :
       {Row{"completed", "null", 0}, Row{"cancelled", "null", 5},
        Row{"failed", R"({"code": "does_not_fit", "where": "rank 0"})", 3}, Row{"lost", "null", 4}}) {
    ScriptedServer server([&](const std::string& request, std::size_t) {
      if (line_of(request).find("/events") != std::string::npos) {
        return ScriptedServer::events(
            std::string("id: 1.0\nevent: state\ndata: {\"time\": 1, \"state\": \"") + row.state + "\"}\n\n",
            true);
      }
      return ScriptedServer::json(job_text(row.state, std::string(R"(, "error": )") + row.error));
    });
    EXPECT_EQ(run(server, {"logs", "-f", "j1"}), row.exit) << row.state << err_.str();
  }
}

TEST_F(ClientCommands, cancel_and_resume_ask_the_server) {
  ScriptedServer server([](const std::string& request, std::size_t) {
    return ScriptedServer::json(job_text(line_of(request).starts_with("DELETE") ? "cancelling" : "queued"),
                                "202 Accepted");
  });
  ASSERT_EQ(run(server, {"cancel", "j1"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "j1  cancelling\n");
  ASSERT_EQ(run(server, {"resume", "j1"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "j1  queued\n");
  EXPECT_EQ(line_of(server.requests().at(0)), "DELETE /v1/jobs/j1 HTTP/1.1");
  EXPECT_EQ(line_of(server.requests().at(1)), "POST /v1/jobs/j1/resume HTTP/1.1");
  EXPECT_EQ(run(server, {"resume", "j1", "--model", "elsewhere"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--model with a server's job"));
}

TEST_F(ClientCommands, the_token_comes_from_a_file_that_only_its_owner_reads) {
  ScriptedServer server([](const std::string&, std::size_t) { return ScriptedServer::json(running_job); });
  std::ofstream(folder_ / "token") << "s3cret-s3cret-s3cret\n";
  fs::permissions(folder_ / "token", fs::perms::owner_read | fs::perms::owner_write);
  ASSERT_EQ(run(server, {"status", "j1", "--token-file", "token"}), 0) << err_.str();
  EXPECT_EQ(header_of(server.requests().at(0), "Authorization"), "Bearer s3cret-s3cret-s3cret");
  fs::permissions(folder_ / "token", fs::perms::group_read, fs::perm_options::add);
  EXPECT_EQ(run(server, {"status", "j1", "--token-file", "token"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("chmod 600"));
  EXPECT_EQ(err_.str().find("s3cret"), std::string::npos);
  EXPECT_EQ(run(server, {"status", "j1", "--token-file", "absent"}), 2);
}

TEST_F(ClientCommands, every_command_has_help_with_examples) {
  for (const char* command : {"submit", "jobs", "status", "logs", "cancel", "resume", "fetch"}) {
    ASSERT_EQ(run({command, "--help"}), 0);
    EXPECT_THAT(out_.str(), HasSubstr(std::string("cce ") + command)) << command;
    EXPECT_THAT(out_.str(), HasSubstr("--server")) << command;
  }
}

}  // namespace
}  // namespace cce
