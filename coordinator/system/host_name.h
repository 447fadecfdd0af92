#pragma once
#include <string>
#include <string_view>

namespace cce {

/// This machine's name as the kernel has it.
std::string host_name();

/// Whether Open MPI 4 can start on a machine of this name: up to 50 letters, digits, '-' and '.'. With others its
/// launcher crashes (60 characters) or cannot read its own list of nodes (an underscore).
bool suits_mpi(std::string_view host_name);

/// Gives this process and those it starts a host name of their own, which nothing outside sees: a UTS namespace,
/// as root or, where the kernel lets users make them, in a user namespace of the same user. Must be the only
/// thread of its process. False where neither is allowed; nothing has changed then.
bool take_host_name(const std::string& name);

/// Whether take_host_name would succeed, tried in a child.
bool can_take_host_name();

}  // namespace cce
