#include "worker/comm/messages/exchange.h"

#include <cstdint>

namespace cce {

std::string broadcast_text(Communicator& communicator, std::string_view text, int root) {
  std::uint64_t length = text.size();
  communicator.broadcast(std::as_writable_bytes(std::span(&length, 1)), root);
  std::string result(communicator.rank() == root ? text : std::string_view());
  result.resize(length);
  communicator.broadcast(std::as_writable_bytes(std::span(result)), root);
  return result;
}

}  // namespace cce
