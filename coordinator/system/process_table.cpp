#include "coordinator/system/process_table.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace cce {

namespace fs = std::filesystem;

std::optional<ProcessFacts> process_facts(pid_t pid) {
  std::ifstream stream(fs::path("/proc") / std::to_string(pid) / "stat");
  std::string line;
  // The second field, the name, may hold spaces and brackets: what follows its last bracket is plain.
  if (!std::getline(stream, line) || line.rfind(')') == std::string::npos) {
    return std::nullopt;
  }
  std::istringstream rest(line.substr(line.rfind(')') + 1));
  std::string state;
  std::string skipped;
  pid_t group = 0;
  ProcessFacts facts{.pid = pid};
  rest >> state >> facts.parent >> group >> facts.session;  // fields 3 to 6
  constexpr int first_skipped = 7;
  constexpr int start_field = 22;
  for (int field = first_skipped; field < start_field; ++field) {
    rest >> skipped;
  }
  rest >> facts.start_ticks;
  const bool has_ended = state == "Z" || state == "X";
  return !rest || has_ended ? std::nullopt : std::optional(facts);
}

std::vector<ProcessFacts> all_processes() {
  std::vector<ProcessFacts> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    if (const std::optional<ProcessFacts> facts = process_facts(static_cast<pid_t>(std::stol(name)))) {
      found.push_back(*facts);
    }
  }
  return found;
}

std::vector<pid_t> descendants(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  for (const ProcessFacts& facts : all_processes()) {
    children.emplace(facts.parent, facts.pid);
  }
  std::vector<pid_t> found{root};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [first, last] = children.equal_range(found[i]);
    for (auto child = first; child != last; ++child) {
      found.push_back(child->second);
    }
  }
  found.erase(found.begin());
  return found;
}

std::vector<pid_t> session_members(pid_t leader) {
  std::vector<pid_t> found;
  for (const ProcessFacts& facts : all_processes()) {
    if (facts.session == leader && facts.pid != leader) {
      found.push_back(facts.pid);
    }
  }
  return found;
}

bool any_alive(const std::vector<pid_t>& processes) {
  return std::any_of(processes.begin(), processes.end(),
                     [](pid_t process) { return process_facts(process).has_value(); });
}

std::string boot_id() {
  std::ifstream stream("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(stream, id);
  return id;
}

}  // namespace cce
