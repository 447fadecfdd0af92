#pragma once
#include <cstddef>
#include <span>

#include "worker/comm/communicator.h"
#include "worker/tensor/backend.h"

/// A communicator's verbs on a backend's memory: directly where the communicator takes that memory, else by
/// way of the host. All are collectives with the communicator's errors; matrices are dense (stride == cols),
/// f32 or f64. Errors also: shape_mismatch for others.
namespace cce {

/// Sums over ranks, in rank order, at `root`; elsewhere `values` holds nothing meaningful afterwards.
void reduce_sum(Communicator& communicator, Backend& backend, Matrix values, int root);
/// The same on every rank.
void all_reduce_sum(Communicator& communicator, Backend& backend, Matrix values);
/// Every rank's `bytes`, in the backend's memory, become those of `root`.
void broadcast(Communicator& communicator, Backend& backend, std::span<std::byte> bytes, int root);

}  // namespace cce
