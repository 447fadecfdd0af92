#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "worker/comm/communicator.h"
#include "worker/comm/messages/message_communicator.h"
#include "worker/tensor/backend.h"

namespace cce {

/// The GPU that a rank computes on, named so that other ranks of the same machine can compare.
struct RankDevice {
  bool present = false;                   ///< false: the rank's memory is the host's
  std::array<char, 256> host{};           ///< the machine's name, cut to fit; zeros behind
  std::array<char, 32> bus_identifier{};  ///< PCI domain, bus, device
  std::int32_t nccl_version = 0;          ///< MAJOR · 10000 + MINOR · 100 + PATCH, as NCCL counts
};

/// How spans of device memory travel between ranks.
enum class DeviceRoute {
  host,    ///< there are none: one rank, or a backend whose memory is the host's
  nccl,    ///< a GPU each
  staged,  ///< over the host's memory: some ranks share a GPU, which NCCL refuses
};

/// The same on every rank. Errors: impossible_combination where some ranks have a GPU and others none, or
/// where ranks run different versions of NCCL.
DeviceRoute choose_route(std::span<const RankDevice> by_rank);

/// The communicator of a worker's ranks when they compute on `backend`, which must outlive it: `host` itself
/// where the backend's memory is the host's, else one that takes spans of its device memory too. A
/// collective. Errors, told to the other ranks: those of choose_route, Communicator, and of the device.
std::unique_ptr<Communicator> make_backend_communicator(std::unique_ptr<MessageCommunicator> host,
                                                        Backend& backend);

}  // namespace cce
