#pragma once
#include <memory>

#include "worker/comm/messages/message_communicator.h"

namespace cce {

class MpiRuntime;

/// A communicator over all ranks of MPI's world, with message space of its own. Every rank calls it, in the
/// same order; it waits for them as long as the runtime's deadline allows. Messages are non-blocking and
/// polled, with a yield in between, until the communicator's own deadline. Must not outlive the runtime.
/// abort() reaches ranks that are inside a verb or enter one later; the processes themselves end through
/// their own errors or MpiRuntime::end_all_processes.
/// Errors: those of Communicator, and out_of_range for options outside their bounds.
std::unique_ptr<MessageCommunicator> make_mpi_communicator(const MpiRuntime& runtime,
                                                           const CommunicatorOptions& options);

}  // namespace cce
