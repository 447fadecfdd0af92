#pragma once
#include <memory>

#include "worker/comm/communicator.h"
#include "worker/comm/device/device_link.h"
#include "worker/comm/device/device_memory.h"
#include "worker/comm/device/device_route.h"
#include "worker/tensor/backend.h"

/// NCCL and CUDA as the communicators know them, without their headers: the same functions exist in a build
/// without CUDA (no_nccl.cpp), where no backend has a GPU and the others throw `unsupported`.
namespace cce {

/// The GPU of `backend`, without the host's name; not present where its memory is the host's.
RankDevice nccl_device(const Backend& backend);

/// A non-blocking NCCL communicator over all ranks, each on a GPU of its own, with a stream of its own beside
/// the backend's; it may still be connecting (DeviceLink::ready). Rank 0's identifier reaches the others over
/// `host`. A collective. `backend` must outlive the link; its memory limit counts the link's scratch memory,
/// not what NCCL itself takes for its channels.
/// Errors: those of `host`; worker_died where NCCL cannot start, with what it says; unsupported for a backend
/// without a GPU.
std::unique_ptr<DeviceLink> make_nccl_link(Communicator& host, Backend& backend);

/// Copies in the order of the backend's stream. `backend` must outlive it. Errors: unsupported for a backend
/// without a GPU.
std::unique_ptr<DeviceMemory> make_cuda_memory(Backend& backend);

}  // namespace cce
