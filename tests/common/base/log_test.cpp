#include "common/base/log.h"

#include <gtest/gtest.h>

#include <sstream>
#include <thread>
#include <vector>

#include "common/base/error.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

Clock fixed_clock() {
  return [] { return 1767225600.5; };  // 2026-01-01T00:00:00Z
}

TEST(LogTest, lines_have_time_level_and_name) {
  const TemporaryFolder temporary;
  PosixFileSystem files;
  std::ostringstream console;
  {
    Logger logger(LogLevel::info, "rank 3", &console, files.open_writer(temporary / "log", WriteMode::append),
                  fixed_clock());
    logger.debug("unseen");
    logger.info("two\nlines");
    logger.error("bad");
  }
  const std::string expected =
      "2026-01-01T00:00:00Z INFO rank 3: two\\nlines\n2026-01-01T00:00:00Z ERROR rank 3: bad\n";
  EXPECT_EQ(console.str(), expected);
  EXPECT_EQ(files.read_text(temporary / "log", 1000), expected);
}

TEST(LogTest, threads_do_not_tear_lines) {
  std::ostringstream console;
  Logger logger(LogLevel::debug, "x", &console, nullptr, fixed_clock());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&logger] {
      for (int line = 0; line < 50; ++line) {
        logger.info("0123456789");
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::istringstream lines(console.str());
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) {
    EXPECT_EQ(line, "2026-01-01T00:00:00Z INFO x: 0123456789");
    ++count;
  }
  EXPECT_EQ(count, 200);
}

class FullWriter final : public FileWriter {
 public:
  void append(std::span<const std::byte>) override {
    throw Error{.code = ErrorCode::disk_full, .where = "log", .found = "full", .expected = "", .remedy = ""};
  }
  void sync() override {}
  void close() override {}
  std::int64_t bytes_written() const override { return 0; }
};

TEST(LogTest, a_full_disk_ends_the_file_and_not_the_job) {
  std::ostringstream console;
  Logger logger(LogLevel::info, "x", &console, std::make_unique<FullWriter>(), fixed_clock());
  logger.info("one");
  logger.info("two");
  EXPECT_EQ(console.str(),
            "2026-01-01T00:00:00Z INFO x: one\nthe log file is given up: disk_full at log: found full.\n"
            "2026-01-01T00:00:00Z INFO x: two\n");
}

}  // namespace
}  // namespace cce
