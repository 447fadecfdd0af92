#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "common/base/error.h"

namespace cce {

/// Runs an action and returns the Error it throws; a missing one fails the test that asked.
inline Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no Error was thrown";
  return Error{
      .code = ErrorCode::invalid_argument, .where = "", .found = "no error", .expected = "", .remedy = ""};
}

/// Checks the code and that the whole message has a part in it.
inline void expect_error(const std::function<void()>& action, ErrorCode code, const std::string& part) {
  const Error error = error_of(action);
  EXPECT_EQ(error_name(error.code), error_name(code)) << describe(error);
  EXPECT_THAT(describe(error), ::testing::HasSubstr(part));
}

}  // namespace cce
