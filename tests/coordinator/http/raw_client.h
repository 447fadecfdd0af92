#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cce {

/// A TCP connection to a port of this machine that sends and receives bytes as they are, so that tests can
/// say what no HTTP library would.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_buffer_bytes = 0)
      : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer_bytes > 0) {
      ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ::close(descriptor_);
      throw std::runtime_error("no connection");
    }
  }
  ~RawClient() { ::close(descriptor_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void end_sending() { ::shutdown(descriptor_, SHUT_WR); }

  /// Reads until `text` has come, the other end closes, or time is up; all that came since the last call.
  std::string read_until(std::string_view text, double seconds = 5.0) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (received_.find(text) == std::string::npos && !closed_) {
      const std::chrono::duration<double, std::milli> left = deadline - std::chrono::steady_clock::now();
      pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
      if (left.count() <= 0.0 || ::poll(&waiting, 1, static_cast<int>(left.count()) + 1) <= 0) {
        break;
      }
      char bytes[65536];
      const ssize_t got = ::recv(descriptor_, bytes, sizeof bytes, 0);
      if (got <= 0) {
        closed_ = true;
      } else {
        received_.append(bytes, static_cast<std::size_t>(got));
      }
    }
    const std::size_t found = received_.find(text);
    const std::size_t end = found == std::string::npos ? received_.size() : found + text.size();
    std::string taken = received_.substr(0, end);
    received_.erase(0, end);
    return taken;
  }
  /// All that comes until the other end closes.
  std::string read_all(double seconds = 5.0) { return read_until(std::string_view("\0never\0", 7), seconds); }
  /// Whether the other end has closed, seen by the last read.
  bool closed() const { return closed_; }

 private:
  int descriptor_;
  std::string received_;
  bool closed_ = false;
};

}  // namespace cce
