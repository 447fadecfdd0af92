#include "worker/text/script_tokens.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <vector>

#include "common/base/error.h"
#include "common/base/json_reader.h"

extern char** environ;

namespace cce {
namespace {

constexpr std::chrono::hours deadline{6};
constexpr std::size_t most_kept_output = 8192;

struct ScriptEnd {
  bool started = false, in_time = false, succeeded = false;
  std::string output;  ///< its end
};

/// Reads what the child prints until it closes its output; says whether that was before the deadline.
bool read_output(int descriptor, std::string& output) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  std::array<char, 4096> block{};
  while (std::chrono::steady_clock::now() < end) {
    pollfd waiting{descriptor, POLLIN, 0};
    if (::poll(&waiting, 1, 1000) <= 0) continue;
    const ssize_t bytes = ::read(descriptor, block.data(), block.size());
    if (bytes <= 0) return true;
    output.append(block.data(), static_cast<std::size_t>(bytes));
    if (output.size() > most_kept_output) output.erase(0, output.size() - most_kept_output);
  }
  return false;
}

ScriptEnd run_python(const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{};
  ScriptEnd result;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return result;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  for (std::string& argument : copies) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t child = -1;
  result.started = ::posix_spawnp(&child, pointers.front(), &actions, nullptr, pointers.data(), environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (result.started) {
    result.in_time = read_output(ends[0], result.output);
    if (!result.in_time) ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    result.succeeded = result.in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  ::close(ends[0]);
  return result;
}

std::string last_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  const std::size_t start = text.rfind('\n');
  return start == std::string::npos ? text : text.substr(start + 1);
}

std::string quoted(const std::string& word) {
  if (!word.empty() && word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                              "._/-+=:@%,") == std::string::npos) {
    return word;
  }
  std::string result = "'";
  for (const char letter : word) result += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return result + "'";
}

}  // namespace

std::string tokenize_command(const std::string& model, const TextSource& source) {
  return "scripts/tokenize.py " + quoted(model) + " " + quoted(source.path) +
         (source.text_key.empty() ? "" : " --text-key " + quoted(source.text_key));
}

TextFacts run_tokenize_script(FileSystem& files, const std::string& model, const TextSource& source,
                              const std::filesystem::path& folder, const std::filesystem::path& output) {
  const std::filesystem::path script = folder / "cce_tokenize.py";
  files.write_atomic(script, tokenize_script);  // 1.
  std::vector<std::string> arguments = {"python3",  script.string(), model,   source.path,
                                        "--output", output.string(), "--json"};
  if (!source.text_key.empty()) arguments.insert(arguments.end(), {"--text-key", source.text_key});
  const ScriptEnd end = run_python(arguments);  // 2.
  files.remove_all(script);                     // 3.
  if (end.started && !end.in_time) {
    throw Error{.code = ErrorCode::deadline_exceeded,
                .where = source.path,
                .found = "a script that still tokenizes it after six hours",
                .expected = "token ids",
                .remedy = "Run " + tokenize_command(model, source) + " beforehand and pass its file as text"};
  }
  if (!end.succeeded) {
    const std::string said = last_line(end.output);
    throw Error{
        .code = ErrorCode::unsupported,
        .where = source.path,
        .found = !end.started   ? "no python3 to tokenize it with"
                 : said.empty() ? "a script that could not tokenize it"
                                : said,
        .expected = "a text and tokenizer that this program reads itself, or python3 with transformers",
        .remedy = "Run " + tokenize_command(model, source) +
                  " where pip install transformers has been done, and pass the file it writes as text"};
  }
  const std::string facts_line = last_line(end.output);
  const Json facts = parse_json(facts_line, "tokenize.py");
  JsonReader reader(facts, "tokenize.py");
  return {.records = reader.integer_or("records", 0), .skipped = reader.integer_or("skipped", 0)};
}

}  // namespace cce
