#pragma once
#include <signal.h>

namespace cce {

/// Turns SIGINT, SIGTERM and SIGHUP into messages while it lives; they interrupt nothing else of the program.
/// One at a time, in a program with one thread. Errors: io_failure when the system has no descriptor left.
class SignalInbox {
 public:
  SignalInbox();
  ~SignalInbox();
  SignalInbox(const SignalInbox&) = delete;
  SignalInbox& operator=(const SignalInbox&) = delete;

  /// The next signal, or 0 after `seconds` without one.
  int wait(double seconds);

 private:
  sigset_t previous_{};
  int descriptor_ = -1;
};

}  // namespace cce
