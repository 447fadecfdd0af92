// Loads a server with status requests at a fixed rate while event streams are open, and prints one JSON
// object.
//
//   cce-http-load --port N --job ID --streams 200 --rate 2000 --seconds 60 [--connections 64] [--warm-up 10]
//
// The schedule is open: request i is due at i / rate, and its latency counts from then, whether a connection
// was free or not, so that a server that stalls cannot hide it. Streams are read as fast as they come; their
// events are counted and checked to come in order without gap. One thread, Linux (epoll).
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  int port = 0;
  std::string job;
  int streams = 200;
  double rate = 2000.0;
  double seconds = 60.0;
  int connections = 64;
  double warm_up_seconds = 10.0;
};

Options parse_options(int count, char** arguments) {
  std::map<std::string, std::string> values;
  for (int i = 1; i + 1 < count; i += 2) {
    values[arguments[i]] = arguments[i + 1];
  }
  Options options;
  const auto number = [&values](const char* name, double otherwise) {
    return values.contains(name) ? std::stod(values[name]) : otherwise;
  };
  options.port = static_cast<int>(number("--port", 0));
  options.job = values["--job"];
  options.streams = static_cast<int>(number("--streams", options.streams));
  options.rate = number("--rate", options.rate);
  options.seconds = number("--seconds", options.seconds);
  options.warm_up_seconds = number("--warm-up", options.warm_up_seconds);
  options.connections = static_cast<int>(number("--connections", options.connections));
  if (options.port == 0 || options.job.empty()) {
    throw std::runtime_error("--port and --job are needed");
  }
  return options;
}

int connect_to(int port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
  }
  const int yes = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  ::fcntl(descriptor, F_SETFL, O_NONBLOCK);
  return descriptor;
}

struct Connection {
  int descriptor = -1;
  bool is_stream = false;
  bool busy = false;
  Clock::time_point due;
  std::string received;
  std::int64_t last_event = 0;
};

class Load {
 public:
  explicit Load(const Options& options) : options_(options), poll_(::epoll_create1(EPOLL_CLOEXEC)) {
    request_ = "GET /v1/jobs/" + options.job + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    connections_.resize(static_cast<std::size_t>(options.streams + options.connections));
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      open(i, i < static_cast<std::size_t>(options.streams));
    }
  }

  void run() {
    const Clock::time_point begin =
        Clock::now() +
        std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.warm_up_seconds));
    while (Clock::now() < begin) {
      wait_for_bytes(begin);
    }
    const auto step = std::chrono::duration<double>(1.0 / options_.rate);
    const auto total = static_cast<std::int64_t>(options_.rate * options_.seconds);
    std::int64_t scheduled = 0;
    const auto due_at = [&](std::int64_t i) {
      return begin + std::chrono::duration_cast<Clock::duration>(step * static_cast<double>(i));
    };
    const Clock::time_point last = due_at(total) + std::chrono::seconds(10);
    while ((scheduled < total || answered_ + errors_ < scheduled) && Clock::now() < last) {
      const Clock::time_point now = Clock::now();
      while (scheduled < total && due_at(scheduled) <= now) {
        waiting_.push_back(due_at(scheduled++));
      }
      send_waiting();
      wait_for_bytes(scheduled < total ? due_at(scheduled) : last);
    }
    errors_ += scheduled - answered_ - errors_;
    seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
  }

  void print() {
    std::sort(latencies_.begin(), latencies_.end());
    const auto percentile = [this](double part) {
      return latencies_.empty() ? 0.0
                                : 1e3 * latencies_[static_cast<std::size_t>(
                                            part * static_cast<double>(latencies_.size() - 1))];
    };
    std::printf(
        "{\"requests\": %lld, \"errors\": %lld, \"seconds\": %.3f, \"rate\": %.1f, \"p50_ms\": %.3f, "
        "\"p90_ms\": %.3f, "
        "\"p99_ms\": %.3f, \"p999_ms\": %.3f, \"largest_ms\": %.3f, \"streams\": %d, \"streams_lost\": %lld, "
        "\"events\": %lld, \"events_out_of_order\": %lld, \"stream_bytes\": %lld}\n",
        static_cast<long long>(answered_), static_cast<long long>(errors_), seconds_,
        static_cast<double>(answered_) / seconds_, percentile(0.5), percentile(0.9), percentile(0.99),
        percentile(0.999), percentile(1.0), options_.streams, static_cast<long long>(streams_lost_),
        static_cast<long long>(events_), static_cast<long long>(out_of_order_),
        static_cast<long long>(stream_bytes_));
  }

 private:
  void open(std::size_t index, bool is_stream) {
    Connection& connection = connections_[index];
    connection = Connection{};
    connection.descriptor = connect_to(options_.port);
    connection.is_stream = is_stream;
    if (is_stream) {
      write(connection.descriptor,
            "GET /v1/jobs/" + options_.job + "/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    } else {
      free_.push_back(index);
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, connection.descriptor, &event);
  }

  static bool write(int descriptor, std::string_view text) {
    return ::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }

  void send_waiting() {
    while (!waiting_.empty() && !free_.empty()) {
      Connection& connection = connections_[free_.back()];
      free_.pop_back();
      connection.busy = true;
      connection.due = waiting_.front();
      waiting_.pop_front();
      write(connection.descriptor, request_);  // a failure shows as the end of the connection
    }
  }

  void wait_for_bytes(Clock::time_point until) {
    const double left = std::chrono::duration<double, std::milli>(until - Clock::now()).count();
    epoll_event events[64];
    const int count = ::epoll_wait(poll_, events, 64, std::clamp(static_cast<int>(left), 0, 100));
    for (int i = 0; i < count; ++i) {
      receive(static_cast<std::size_t>(events[i].data.u64));
    }
  }

  void receive(std::size_t index) {
    Connection& connection = connections_[index];
    char bytes[65536];
    const ssize_t got = ::recv(connection.descriptor, bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    }
    if (got <= 0) {
      lose(index);
      return;
    }
    connection.received.append(bytes, static_cast<std::size_t>(got));
    if (connection.is_stream) {
      stream_bytes_ += got;
      take_events(connection);
    } else {
      take_response(index);
    }
  }

  void lose(std::size_t index) {
    Connection& connection = connections_[index];
    ::close(connection.descriptor);
    if (connection.is_stream) {
      ++streams_lost_;
      return;
    }
    errors_ += connection.busy ? 1 : 0;
    std::erase(free_, index);
    open(index, false);
  }

  void take_response(std::size_t index) {
    Connection& connection = connections_[index];
    const std::size_t header = connection.received.find("\r\n\r\n");
    const std::size_t length_at = connection.received.find("content-length: ");
    if (header == std::string::npos || length_at > header) {
      return;
    }
    const std::size_t length = std::stoul(connection.received.substr(length_at + 16, 12));
    if (connection.received.size() < header + 4 + length) {
      return;
    }
    if (connection.received.starts_with("HTTP/1.1 200")) {
      ++answered_;
      latencies_.push_back(std::chrono::duration<double>(Clock::now() - connection.due).count());
    } else {
      ++errors_;
    }
    connection.received.clear();
    connection.busy = false;
    free_.push_back(index);
  }

  /// Counts ids "STATE.EVENT" of whole lines; EVENT must grow by at most one.
  void take_events(Connection& connection) {
    std::size_t line = 0;
    for (std::size_t end = connection.received.find('\n'); end != std::string::npos;
         end = connection.received.find('\n', line)) {
      const std::string_view text = std::string_view(connection.received).substr(line, end - line);
      line = end + 1;
      if (!text.starts_with("id: ")) {
        continue;
      }
      const std::int64_t event = std::atoll(text.data() + text.find('.') + 1);
      out_of_order_ += event == connection.last_event || event == connection.last_event + 1 ? 0 : 1;
      connection.last_event = event;
      ++events_;
    }
    connection.received.erase(0, line);
  }

  Options options_;
  int poll_;
  std::string request_;
  std::vector<Connection> connections_;
  std::vector<std::size_t> free_;
  std::deque<Clock::time_point> waiting_;
  std::vector<double> latencies_;
  std::int64_t answered_ = 0, errors_ = 0, streams_lost_ = 0, events_ = 0, out_of_order_ = 0,
               stream_bytes_ = 0;
  double seconds_ = 0.0;
};

}  // namespace

int main(int count, char** arguments) {
  try {
    Load load(parse_options(count, arguments));
    load.run();
    load.print();
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "cce-http-load: %s\n", failure.what());
    return 1;
  }
}
