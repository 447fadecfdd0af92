#include "coordinator/system/host_name.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>

namespace cce {
namespace {

constexpr std::size_t longest_name = 50;

/// The files that say who is who in a user namespace have a form of their own and are no files on a disk.
bool write_map(const char* path, const std::string& text) {
  const int file = ::open(path, O_RDWR | O_CLOEXEC);
  const bool written =
      file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) {
    ::close(file);
  }
  return written;
}

bool enter_user_namespace() {
  const std::string user = std::to_string(::geteuid());
  const std::string group = std::to_string(::getegid());
  return ::unshare(CLONE_NEWUSER | CLONE_NEWUTS) == 0 && write_map("/proc/self/setgroups", "deny") &&
         write_map("/proc/self/uid_map", user + " " + user + " 1\n") &&
         write_map("/proc/self/gid_map", group + " " + group + " 1\n");
}

}  // namespace

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

bool suits_mpi(std::string_view host_name) {
  return !host_name.empty() && host_name.size() <= longest_name &&
         std::all_of(host_name.begin(), host_name.end(), [](char letter) {
           return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                  (letter >= '0' && letter <= '9') || letter == '-' || letter == '.';
         });
}

bool take_host_name(const std::string& name) {
  const bool apart = ::unshare(CLONE_NEWUTS) == 0 || enter_user_namespace();
  return apart && ::sethostname(name.data(), name.size()) == 0;
}

bool can_take_host_name() {
  const pid_t child = ::fork();
  if (child < 0) {
    return false;
  }
  if (child == 0) {
    ::_exit(take_host_name("cce") ? 0 : 1);
  }
  int status = 1;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace cce
