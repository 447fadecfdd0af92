#include "worker/comm/mpi/mpi_communicator.h"

#include <mpi.h>

#include <array>
#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "worker/comm/messages/abort_notice.h"
#include "worker/comm/messages/message_communicator.h"
#include "worker/comm/messages/transport.h"
#include "worker/comm/mpi/mpi_runtime.h"

namespace cce {
namespace {

constexpr int abort_tag = 0;
constexpr auto abort_patience = std::chrono::seconds(1);

/// `call` as MPI names it. A message longer than its receiver expects is the one failure that is not a lost
/// peer.
void check_mpi(int status, const char* call, const std::string& peer) {
  if (status == MPI_SUCCESS) {
    return;
  }
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  int error_class = MPI_ERR_OTHER;
  MPI_Error_string(status, text.data(), &length);
  MPI_Error_class(status, &error_class);
  throw Error{.code = error_class == MPI_ERR_TRUNCATE ? ErrorCode::shape_mismatch : ErrorCode::worker_died,
              .where = {},
              .found = std::string(call) + " with " + peer + ": " +
                       std::string(text.data(), static_cast<std::size_t>(length)),
              .expected = "every rank to make the same call, and to live",
              .remedy = "Read the log of " + peer + "; resume the job"};
}

std::string rank_name(int rank) {
  return "rank " + std::to_string(rank);
}

/// A communicator of MPI's own, apart from everything else that uses MPI. Freed only if `healthy` says so:
/// freeing one with cancelled messages may wait for ranks that are gone, in a process that is about to end.
class OwnedComm {
 public:
  explicit OwnedComm(double deadline_seconds) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::duration<double>(deadline_seconds);
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Comm_idup(MPI_COMM_WORLD, &comm_, &request), "MPI_Comm_idup", "all ranks");
    int done = 0;
    while (done == 0) {
      check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Comm_idup", "all ranks");
      if (done == 0 && std::chrono::steady_clock::now() >= give_up) {
        throw Error{.code = ErrorCode::deadline_exceeded,
                    .where = "make_mpi_communicator",
                    .found = "some rank absent for " + std::to_string(deadline_seconds) + " seconds",
                    .expected = "every rank to make the same call",
                    .remedy = "Read the logs of all ranks; resume the job"};
      }
      std::this_thread::yield();
    }
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
  }
  OwnedComm(const OwnedComm&) = delete;
  OwnedComm& operator=(const OwnedComm&) = delete;
  ~OwnedComm() {
    if (healthy) {
      MPI_Comm_free(&comm_);
    }
  }
  MPI_Comm get() const { return comm_; }
  bool healthy = true;

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

class MpiMessage : public Message {
 public:
  enum class Direction { send, receive };

  MpiMessage(OwnedComm& comm, Direction direction, int peer, std::size_t bytes)
      : comm_(comm), direction_(direction), peer_(peer), bytes_(bytes) {}
  ~MpiMessage() override {
    if (request == MPI_REQUEST_NULL) {
      return;
    }
    comm_.healthy = false;
    if (direction_ == Direction::receive) {
      MPI_Cancel(
          &request);  // local and immediate for a receive: nothing may write to its memory from here on
      MPI_Wait(&request, MPI_STATUS_IGNORE);
    } else {
      MPI_Request_free(&request);
    }
  }

  bool test() override {
    int done = 0;
    MPI_Status status{};
    check_mpi(MPI_Test(&request, &done, &status), direction_ == Direction::send ? "MPI_Isend" : "MPI_Irecv",
              rank_name(peer_));
    if (done == 0 || direction_ == Direction::send) {
      return done != 0;
    }
    int arrived = 0;
    MPI_Get_count(&status, MPI_BYTE, &arrived);
    if (static_cast<std::size_t>(arrived) != bytes_) {
      throw Error{.code = ErrorCode::shape_mismatch,
                  .where = {},
                  .found = std::to_string(arrived) + " bytes from " + rank_name(peer_),
                  .expected = std::to_string(bytes_) + " bytes",
                  .remedy = "Report this: ranks disagree about one call"};
    }
    return true;
  }
  int peer() const override { return peer_; }

  MPI_Request request = MPI_REQUEST_NULL;

 private:
  OwnedComm& comm_;
  Direction direction_;
  int peer_;
  std::size_t bytes_;
};

/// Two communicators: one for the verbs, and one on which a receive always waits for a peer's notice of
/// abort.
class MpiTransport : public Transport {
 public:
  explicit MpiTransport(const MpiRuntime& runtime)
      : rank_(runtime.rank()),
        size_(runtime.size()),
        verbs_(runtime.deadline_seconds()),
        control_(runtime.deadline_seconds()) {
    check_mpi(MPI_Irecv(notice_.data(), static_cast<int>(notice_.size()), MPI_BYTE, MPI_ANY_SOURCE, abort_tag,
                        control_.get(), &notice_request_),
              "MPI_Irecv", "any rank");
  }
  ~MpiTransport() override {
    if (notice_request_ != MPI_REQUEST_NULL) {
      MPI_Cancel(&notice_request_);
      MPI_Wait(&notice_request_, MPI_STATUS_IGNORE);
    }
    control_.healthy = control_.healthy && verbs_.healthy;
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::unique_ptr<Message> start_send(int peer, int tag, std::span<const std::byte> bytes) override {
    auto message = std::make_unique<MpiMessage>(verbs_, MpiMessage::Direction::send, peer, bytes.size());
    check_mpi(MPI_Isend(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, peer, tag, verbs_.get(),
                        &message->request),
              "MPI_Isend", rank_name(peer));
    return message;
  }

  std::unique_ptr<Message> start_receive(int peer, int tag, std::span<std::byte> bytes) override {
    auto message = std::make_unique<MpiMessage>(verbs_, MpiMessage::Direction::receive, peer, bytes.size());
    check_mpi(MPI_Irecv(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, peer, tag, verbs_.get(),
                        &message->request),
              "MPI_Irecv", rank_name(peer));
    return message;
  }

  void check() override {
    if (notice_request_ == MPI_REQUEST_NULL) {
      return;
    }
    int arrived = 0;
    MPI_Status status{};
    check_mpi(MPI_Test(&notice_request_, &arrived, &status), "MPI_Irecv", "any rank");
    if (arrived != 0) {
      verbs_.healthy = false;
      Error cause = decode_abort(notice_);
      cause.where = rank_name(status.MPI_SOURCE) + ": " + cause.where;
      throw cause;
    }
  }

  void pause(Clock::time_point) override { std::this_thread::yield(); }

  /// Notifies all ranks, unless a peer already has.
  void abort(const Error& cause) noexcept override {
    verbs_.healthy = false;
    if (notice_request_ == MPI_REQUEST_NULL || !farewells_.empty()) {
      return;
    }
    farewell_ = encode_abort(cause);
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_) {
        continue;
      }
      MPI_Request& request = farewells_.emplace_back(MPI_REQUEST_NULL);
      MPI_Isend(farewell_.data(), static_cast<int>(farewell_.size()), MPI_BYTE, peer, abort_tag,
                control_.get(), &request);
    }
    const auto give_up = Clock::now() + abort_patience;
    int sent = 0;
    while (MPI_Testall(static_cast<int>(farewells_.size()), farewells_.data(), &sent, MPI_STATUSES_IGNORE) ==
               MPI_SUCCESS &&
           sent == 0 && Clock::now() < give_up) {
      std::this_thread::yield();
    }
  }

 private:
  int rank_;
  int size_;
  OwnedComm verbs_;
  OwnedComm control_;
  AbortNotice notice_{};  ///< of a peer
  MPI_Request notice_request_ = MPI_REQUEST_NULL;
  AbortNotice farewell_{};  ///< of this rank
  std::vector<MPI_Request> farewells_;
};

}  // namespace

std::unique_ptr<MessageCommunicator> make_mpi_communicator(const MpiRuntime& runtime,
                                                           const CommunicatorOptions& options) {
  check_options(options);
  return std::make_unique<MessageCommunicator>(std::make_unique<MpiTransport>(runtime), options);
}

}  // namespace cce
