#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cce {

/// A live process from /proc/PID/stat (proc(5)).
struct ProcessFacts {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t session = 0;
  std::uint64_t start_ticks = 0;  ///< since boot, field 22: with the pid and the boot it names one process
};

/// Nothing for a process that is not there or has ended (a zombie).
std::optional<ProcessFacts> process_facts(pid_t pid);

std::vector<ProcessFacts> all_processes();

/// All live descendants of a process, children first. Launchers put ranks into groups of their own, so a
/// group is not enough.
std::vector<pid_t> descendants(pid_t root);

/// All live processes of the session that `leader` made, without the leader. They stay in it when the leader
/// and its children have ended.
std::vector<pid_t> session_members(pid_t leader);

bool any_alive(const std::vector<pid_t>& processes);

/// Changes with every start of the machine; "" where the kernel does not say.
std::string boot_id();

}  // namespace cce
