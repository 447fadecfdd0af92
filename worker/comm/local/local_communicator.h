#pragma once
#include <memory>
#include <vector>

#include "worker/comm/messages/message_communicator.h"

namespace cce {

/// Communicators for `ranks` threads of one process: element r is for the thread that is rank r. One rank
/// alone needs no thread and no message. A rank's messages are copied when it sends them, so that it never
/// waits for a slow receiver. Errors: invalid_argument for ranks < 1, out_of_range for options outside their
/// bounds.
std::vector<std::unique_ptr<MessageCommunicator>> make_local_communicators(
    int ranks, const CommunicatorOptions& options);

}  // namespace cce
