#include "coordinator/client/client_fetch.h"

#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <sstream>

#include "common/base/digest.h"
#include "coordinator/system/checksums.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"
#include "tests/coordinator/client/client_fixture.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// A result on a server whose connections break after so many bytes of a file.
class ResultServer {
 public:
  std::map<std::string, std::string> files{{"report.json", "{}"},
                                           {"plan.json", "[1, 2, 3]"},
                                           {"model.safetensors", std::string(5000, 'w')},
                                           {"sub/empty", ""}};
  std::size_t cut_after = 100000;
  std::int64_t attempt = 1;
  bool ranges = true;
  std::int64_t size_error = 0;

  /// Adds the list of digests, with a wrong one for `wrong_one`.
  void list_digests(const std::string& wrong_one = "") {
    std::string list;
    for (const auto& [path, content] : files) {
      list += digest_of_text(path == wrong_one ? "other" : content) + "  " + path + "\n";
    }
    files[checksums_name] = list;
  }

  std::string operator()(const std::string& request, std::size_t /*number*/) const {
    const std::string line = line_of(request);
    const std::string path = line.substr(4, line.rfind(' ') - 4);
    const std::string base = "/v1/jobs/j1/artifacts";
    if (path == base) {
      return ScriptedServer::json(listing());
    }
    if (!path.starts_with(base)) {
      return ScriptedServer::json(R"({"id": "j1", "state": "completed", "attempt": )" +
                                  std::to_string(attempt) + "}");
    }
    const std::string& content = files.at(path.substr(base.size() + 1));
    const std::string range = header_of(request, "Range");
    const std::size_t offset = ranges && !range.empty() ? std::stoul(range.substr(6)) : 0;
    const std::string part = content.substr(offset);
    std::string head = offset > 0 ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " +
                                        std::to_string(offset) + "-" + std::to_string(content.size() - 1) +
                                        "/" + std::to_string(content.size()) + "\r\n"
                                  : std::string("HTTP/1.1 200 OK\r\n");
    return head + "Content-Length: " + std::to_string(part.size()) + "\r\n\r\n" + part.substr(0, cut_after);
  }

 private:
  std::string listing() const {
    std::string text;
    for (const auto& [path, content] : files) {
      const auto bytes = static_cast<std::int64_t>(content.size()) + (path == "plan.json" ? size_error : 0);
      text +=
          (text.empty() ? "" : ", ") + (R"({"path": ")" + path) + R"(", "bytes": )" + std::to_string(bytes);
      text += "}";
    }
    return R"({"artifacts": [)" + text + "]}";
  }
};

class ClientFetch : public ::testing::Test {
 protected:
  void fetch(const ScriptedServer& server, bool force = false) {
    fetch_result(files_, impatient_client(server), "j1", folder_ / "out", force,
                 {.progress =
                      [&](std::int64_t done, std::int64_t total) {
                        EXPECT_LE(done, total);
                        done_ = done;
                      },
                  .note = [&](const std::string& sentence) { notes_ += sentence + "\n"; },
                  .keep_going = [&] { return --patience_ > 0; }},
                 5.0);
  }
  std::string read(const fs::path& path) const {
    std::ostringstream text;
    text << std::ifstream(folder_ / path, std::ios::binary).rdbuf();
    return text.str();
  }
  void expect_whole(const ResultServer& result) {
    for (const auto& [path, content] : result.files) {
      EXPECT_TRUE(read(fs::path("out") / path) == content) << path;
    }
    EXPECT_EQ(scratch(), fs::path());
    EXPECT_EQ(files_.list(folder_ / "out").size(), result.files.size()) << "and nothing else";
  }
  /// What a stopped fetch left beside the output; empty where nothing is left.
  fs::path scratch() const {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_.path())) {
      if (entry.path().filename().string().starts_with(".out.cce-fetch-")) {
        return entry.path();
      }
    }
    return {};
  }

  TemporaryFolder folder_;
  PosixFileSystem files_;
  ResultServer result_;
  std::int64_t done_ = 0;
  int patience_ = 1000000;
  std::string notes_;
};

TEST_F(ClientFetch, brings_every_file) {
  result_.list_digests();
  ScriptedServer server(result_);
  fetch(server);
  expect_whole(result_);
  EXPECT_EQ(done_, 5011 + static_cast<std::int64_t>(result_.files[checksums_name].size()));
}

TEST_F(ClientFetch, continues_a_file_where_the_connection_broke) {
  result_.cut_after = 700;
  ScriptedServer server(result_);
  fetch(server);
  expect_whole(result_);
  EXPECT_THAT(notes_, HasSubstr("connection lost"));
  std::vector<std::string> ranges;
  for (const std::string& request : server.requests()) {
    if (const std::string range = header_of(request, "Range"); !range.empty()) {
      ranges.push_back(range);
    }
  }
  EXPECT_THAT(ranges, ::testing::ElementsAre("bytes=700-", "bytes=1400-", "bytes=2100-", "bytes=2800-",
                                             "bytes=3500-", "bytes=4200-", "bytes=4900-"));
}

TEST_F(ClientFetch, starts_a_file_again_where_the_server_knows_no_ranges) {
  std::size_t connections = 0;
  ScriptedServer server([&](const std::string& request, std::size_t number) {
    ResultServer result = result_;
    result.ranges = false;
    result.cut_after =
        line_of(request).find("model") != std::string::npos && connections++ == 0 ? 700 : 100000;
    return result(request, number);
  });
  fetch(server);
  expect_whole(result_);
}

TEST_F(ClientFetch, a_stopped_fetch_leaves_nothing_at_its_output_and_the_next_one_continues) {
  ScriptedServer server(result_);
  patience_ = 1;
  expect_error([&] { fetch(server); }, ErrorCode::cancelled, "The same command continues");
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  ASSERT_NE(scratch(), fs::path());
  files_.write_atomic(scratch() / "new/model.safetensors", std::string(1234, 'w'));
  patience_ = 1000000;
  fetch(server);
  expect_whole(result_);
  EXPECT_THAT(::testing::PrintToString(server.requests()), HasSubstr("bytes=1234-"));
}

TEST_F(ClientFetch, what_was_left_of_another_result_is_not_continued) {
  {
    ScriptedServer server(result_);
    patience_ = 1;
    expect_error([&] { fetch(server); }, ErrorCode::cancelled, "");
  }
  files_.write_atomic(scratch() / "new/model.safetensors", std::string(1234, 'x'));
  result_.attempt = 2;
  ScriptedServer server(result_);
  patience_ = 1000000;
  fetch(server);
  expect_whole(result_);
  EXPECT_THAT(notes_, HasSubstr("starting anew"));
}

TEST_F(ClientFetch, a_file_that_is_not_what_was_listed_is_refused_and_removed) {
  result_.list_digests("model.safetensors");
  {
    ScriptedServer server(result_);
    expect_error([&] { fetch(server); }, ErrorCode::verification_failed, "model.safetensors: found SHA-256");
  }
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  EXPECT_FALSE(fs::exists(scratch() / "new/model.safetensors"));
  result_.files.erase(checksums_name);
  result_.size_error = -2;
  ScriptedServer server(result_);
  expect_error([&] { fetch(server); }, ErrorCode::verification_failed, "plan.json");
}

TEST_F(ClientFetch, a_file_that_changes_between_two_connections_is_brought_anew) {
  result_.cut_after = 700;
  std::size_t model_connections = 0;
  ScriptedServer server([&](const std::string& request, std::size_t number) {
    if (line_of(request).find("model") == std::string::npos) {
      return result_(request, number);
    }
    ResultServer now = result_;
    const bool changed = model_connections++ > 0;
    now.files["model.safetensors"] = std::string(5000, changed ? 'n' : 'w');
    now.cut_after = changed ? 100000 : 700;
    now.ranges = header_of(request, "If-Range") == "\"second\"";
    std::string answer = now(request, number);
    answer.insert(answer.find("\r\n") + 2,
                  std::string("ETag: \"") + (changed ? "second" : "first") + "\"\r\n");
    return answer;
  });
  fetch(server);
  EXPECT_EQ(read("out/model.safetensors"), std::string(5000, 'n'));
}

TEST(Checksums, list_every_file_and_read_back) {
  TemporaryFolder folder;
  PosixFileSystem files;
  files.make_directory(folder / "sub");
  files.write_atomic(folder / "b", "two");
  files.write_atomic(folder / "sub/a b", "");
  write_checksums(files, folder.path());
  write_checksums(files, folder.path());  // the list itself is not in it
  const std::string text = files.read_text(folder / checksums_name, 10000);
  EXPECT_EQ(text, digest_of_text("two") + "  b\n" + digest_of_text("") + "  sub/a b\n");
  EXPECT_EQ(parse_checksums(text, "x").at("sub/a b"), digest_of_text(""));
}

TEST(Checksums, refuse_what_is_no_list) {
  const std::string line = std::string(64, 'a') + "  x\n";
  for (const std::string& text : {line + line, std::string("a  x\n"), std::string(64, 'a') + " x\n",
                                  std::string(64, 'a') + "  \n", std::string(64, 'G') + "  x\n"}) {
    expect_error([&] { parse_checksums(text, "SUMS"); }, ErrorCode::malformed_file, "SUMS");
  }
}

TEST_F(ClientFetch, neighbours_stay_whatever_their_names) {
  for (const char* name : {"out.tmp", "out.old", "out.fetch"}) {
    files_.make_directory(folder_ / name);
    files_.write_atomic(folder_ / name / "manifest.json", "mine");
  }
  ScriptedServer server(result_);
  fetch(server);
  fetch(server, true);
  expect_whole(result_);
  for (const char* name : {"out.tmp", "out.old", "out.fetch"}) {
    EXPECT_EQ(read(fs::path(name) / "manifest.json"), "mine");
  }
}

TEST_F(ClientFetch, a_folder_that_exists_stays_the_same_one_and_a_stopped_fetch_continues_in_it) {
  fs::create_directory(folder_ / "elsewhere");
  fs::create_directory_symlink("elsewhere", folder_ / "out");
  ScriptedServer server(result_);
  patience_ = 1;
  expect_error([&] { fetch(server); }, ErrorCode::cancelled, "The same command continues");
  const std::vector<std::string> left = files_.list(folder_ / "elsewhere");
  ASSERT_EQ(left.size(), 1U);
  files_.write_atomic(folder_ / "elsewhere" / left[0] / "new/model.safetensors", std::string(1234, 'w'));
  patience_ = 1000000;
  fetch(server);
  EXPECT_THAT(::testing::PrintToString(server.requests()), HasSubstr("bytes=1234-"));
  expect_whole(result_);
  EXPECT_TRUE(fs::is_symlink(folder_ / "out"));
}

TEST_F(ClientFetch, a_folder_of_someone_elses_stays) {
  fs::create_directory(folder_ / "out");
  std::ofstream(folder_ / "out/thesis.txt") << "years of work";
  ScriptedServer server(result_);
  expect_error([&] { fetch(server); }, ErrorCode::impossible_combination, "out");
  EXPECT_EQ(read("out/thesis.txt"), "years of work");
  fetch(server, true);
  expect_whole(result_);
  EXPECT_FALSE(fs::exists(folder_ / "out/thesis.txt"));
}

}  // namespace
}  // namespace cce
