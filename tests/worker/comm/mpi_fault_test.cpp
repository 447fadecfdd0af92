// A rank that fails ends the whole run, with an exit code and within the deadline, never a hang.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ostream>
#include <string>

namespace {

struct FaultRow {
  const char* name;  ///< what the last rank does, as mpi_fault_program has it
  int ranks;
  bool succeeds;
  int exit_code;        ///< of mpirun; 0 where only failure matters
  const char* message;  ///< that some rank prints
};
std::ostream& operator<<(std::ostream& out, const FaultRow& row) {
  return out << row.name << row.ranks;
}

const FaultRow fault_rows[] = {
    {"none", 3, true, 0, ""},
    {"error", 1, false, 2, "rank 0 ends: unreachable_target"},
    {"error", 3, false, 2, "unreachable_target"},
    {"exception", 3, false, 0, "a vector too long"},
    {"kill", 3, false, 0, ""},
    {"leave", 3, false, 0, ""},
    {"hang", 3, false, 4, "deadline_exceeded"},
};
constexpr double longest_seconds = 40.0;  // ten times the deadline of mpi_fault_program

class MpiFault : public testing::TestWithParam<FaultRow> {};

TEST_P(MpiFault, ends_the_run) {
  const FaultRow& row = GetParam();
  const std::string command = "timeout -k 5 60 " CCE_MPIEXEC " --allow-run-as-root --oversubscribe -n " +
                              std::to_string(row.ranks) + " " CCE_FAULT_PROGRAM " " + row.name + " 2>&1";
  const auto start = std::chrono::steady_clock::now();
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  std::array<char, 4096> buffer;
  while (const std::size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), count);
  }
  const int status = pclose(pipe);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;

  ASSERT_TRUE(WIFEXITED(status)) << output;
  EXPECT_EQ(WEXITSTATUS(status) == 0, row.succeeds) << output;
  if (row.exit_code != 0) {
    EXPECT_EQ(WEXITSTATUS(status), row.exit_code) << output;
  }
  EXPECT_THAT(output, testing::HasSubstr(row.message));
  EXPECT_LT(taken.count(), longest_seconds) << output;
}

INSTANTIATE_TEST_SUITE_P(Rows, MpiFault, testing::ValuesIn(fault_rows), testing::PrintToStringParamName());

}  // namespace
