#include "coordinator/terminal/signal_inbox.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/error.h"

namespace cce {

SignalInbox::SignalInbox() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    sigaddset(&wanted, number);
  }
  ::sigprocmask(SIG_BLOCK, &wanted, &previous_);
  descriptor_ = ::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor_ < 0) {
    const int number = errno;
    ::sigprocmask(SIG_SETMASK, &previous_, nullptr);
    throw Error{.code = ErrorCode::io_failure,
                .where = "signalfd",
                .found = std::strerror(number),
                .remedy = "Check the limit of open files (ulimit -n)."};
  }
}

SignalInbox::~SignalInbox() {
  while (wait(0.0) != 0) {
  }
  ::close(descriptor_);
  ::sigprocmask(SIG_SETMASK, &previous_, nullptr);
}

int SignalInbox::wait(double seconds) {
  pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, static_cast<int>(seconds * 1000.0)) <= 0) {
    return 0;
  }
  signalfd_siginfo message{};
  if (::read(descriptor_, &message, sizeof message) != static_cast<ssize_t>(sizeof message)) {
    return 0;
  }
  return static_cast<int>(message.ssi_signo);
}

}  // namespace cce
