#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace cce {

/// A server on a free port of 127.0.0.1 that answers each connection's one request with the bytes a function
/// gives, whatever they are, and closes: so that every way to break off can be written down.
class ScriptedServer {
 public:
  /// `answer`: request (head and body) and its number from 0 → bytes; called by the server's thread.
  using Answer = std::function<std::string(const std::string& request, std::size_t number)>;

  explicit ScriptedServer(Answer answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, plain, length) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, plain, &length) != 0) {
      throw std::runtime_error("no port for a test's server");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedServer() {
    ending_ = true;
    thread_.join();
    ::close(listener_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  std::vector<std::string> requests() const {
    const std::lock_guard guard(mutex_);
    return requests_;
  }

  static std::string response(const std::string& status, const std::string& type, const std::string& body,
                              const std::string& more_headers = "") {
    std::string text = "HTTP/1.1 ";
    text.append(status).append("\r\nContent-Type: ").append(type).append("\r\n").append(more_headers);
    text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n");
    return text.append(body);
  }
  static std::string json(const std::string& body, const std::string& status = "200 OK") {
    return response(status, "application/json", body);
  }
  /// A stream's head and some of its body in one chunk; without the last chunk it has broken off.
  static std::string events(const std::string& body, bool ends) {
    const std::string digits = "0123456789abcdef";
    std::string size;
    for (std::size_t rest = body.size(); rest > 0; rest /= 16) {
      size.insert(0, 1, digits[rest % 16]);
    }
    std::string text =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    if (!body.empty()) {
      text.append(size).append("\r\n").append(body).append("\r\n");
    }
    return text.append(ends ? "0\r\n\r\n" : "");
  }

 private:
  void serve() {
    while (!ending_) {
      pollfd waiting{.fd = listener_, .events = POLLIN, .revents = 0};
      if (::poll(&waiting, 1, 20) > 0) {
        const int connection = ::accept(listener_, nullptr, nullptr);
        talk(connection);
        ::close(connection);
      }
    }
  }

  void talk(int connection) {
    const std::string request = read_request(connection);
    std::size_t number = 0;
    {
      const std::lock_guard guard(mutex_);
      number = requests_.size();
      requests_.push_back(request);
    }
    const std::string bytes = answer_(request, number);
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t now = ::send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) {
        return;
      }
      sent += static_cast<std::size_t>(now);
    }
    if (bytes.empty()) {
      wait_for_the_other_side(connection);  // silence is an answer, too
    }
  }

  void wait_for_the_other_side(int connection) const {
    pollfd waiting{.fd = connection, .events = POLLIN, .revents = 0};
    while (!ending_ && ::poll(&waiting, 1, 20) == 0) {
    }
  }

  static std::string read_request(int connection) {
    std::string text;
    char part[4096];
    while (true) {
      const std::size_t head = text.find("\r\n\r\n");
      if (head != std::string::npos) {
        const std::size_t at = text.find("Content-Length: ");
        const std::size_t body =
            at < head ? static_cast<std::size_t>(std::atoll(text.c_str() + at + 16)) : std::size_t{0};
        if (text.size() >= head + 4 + body) {
          return text;
        }
      }
      const ssize_t now = ::recv(connection, part, sizeof part, 0);
      if (now <= 0) {
        return text;
      }
      text.append(part, static_cast<std::size_t>(now));
    }
  }

  Answer answer_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::atomic<bool> ending_ = false;
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace cce
