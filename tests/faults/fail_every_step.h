// Every writing step of an operation fails once, in each manner.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>

#include "common/base/error.h"
#include "tests/common/temporary_folder.h"
#include "tests/faults/faulty_file_system.h"

namespace cce {

struct Manner {
  const char* name;
  FaultyFileSystem::Fault fault;  // `step` is filled in by the loop
  bool power_cut;
};

inline constexpr Manner manners[] = {
    {"no_space", {.step = 0, .code = ErrorCode::disk_full, .torn = true, .dead = false}, false},
    {"io_error", {.step = 0, .code = ErrorCode::io_failure, .torn = false, .dead = false}, false},
    {"killed", {.step = 0, .code = ErrorCode::io_failure, .torn = true, .dead = true}, false},
    {"power_cut", {.step = 0, .code = ErrorCode::io_failure, .torn = true, .dead = true}, true},
};

/// prepare() makes the state before in a fresh folder; act() runs with the Nth step failing; check(passed)
/// looks afterwards. Returns the number of steps that a run without a fault takes (the fewest of the manners).
inline std::int64_t fail_every_step(const std::function<void(FileSystem&, const FileSystem::Path&)>& prepare,
                                    const std::function<void(FileSystem&, const FileSystem::Path&)>& act,
                                    const std::function<void(const FileSystem::Path&, bool)>& check) {
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
  for (const Manner& manner : manners) {
    for (std::int64_t step = 1;; ++step) {
      SCOPED_TRACE(std::string(manner.name) + ", step " + std::to_string(step));
      const TemporaryFolder temporary;
      PosixFileSystem real;
      FaultyFileSystem faulty(real);
      prepare(faulty, temporary.path());
      FaultyFileSystem::Fault fault = manner.fault;
      fault.step = step;
      faulty.set_fault(fault);
      bool passed = true;
      try {
        act(faulty, temporary.path());
      } catch (const Error& error) {
        passed = false;
        EXPECT_EQ(error.found, "an injected fault") << describe(error);
        EXPECT_EQ(error.code, fault.code);
      }
      if (manner.power_cut) {
        faulty.cut_power();
      }
      check(temporary.path(), passed);
      if (!faulty.fault_was_reached()) {
        EXPECT_TRUE(passed);
        fewest = std::min(fewest, step - 1);
        break;
      }
    }
  }
  return fewest;
}

}  // namespace cce
