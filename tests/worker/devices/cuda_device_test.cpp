// What a program says about GPUs on a machine that may have none.
#include "worker/tensor/cuda/cuda_device.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "common/base/error.h"

namespace cce {
namespace {

/// The GPUs, or why none can be used.
std::optional<Error> refusal(std::vector<CudaDevice>& devices) {
  try {
    devices = cuda_devices();
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  }
}

TEST(CudaDevices, where_there_are_none_the_error_says_why) {
  std::vector<CudaDevice> devices;
  const std::optional<Error> error = refusal(devices);
  if (!error && !devices.empty()) {
    GTEST_SKIP() << "this machine has a GPU";
  }
  if (error) {
    EXPECT_EQ(error->code, ErrorCode::unsupported) << describe(*error);
    EXPECT_FALSE(error->remedy.empty());
    const bool names_the_cause =
        error->found.find(built_with_cuda() ? "driver" : "without CUDA") != std::string::npos;
    EXPECT_TRUE(names_the_cause) << describe(*error);
  }
  try {
    make_cuda_backend({});
    ADD_FAILURE() << "a backend without a GPU";
  } catch (const Error& made) {
    EXPECT_TRUE(made.code == ErrorCode::unsupported || made.code == ErrorCode::out_of_range)
        << describe(made);
  }
}

TEST(CudaDevices, an_index_or_a_limit_beyond_what_is_there_is_refused) {
  std::vector<CudaDevice> devices;
  if (refusal(devices) || devices.empty()) {
    GTEST_SKIP() << "no GPU here";
  }
  const auto code_of = [](const CudaOptions& options) -> std::optional<ErrorCode> {
    try {
      make_cuda_backend(options);
      return std::nullopt;
    } catch (const Error& error) {
      return error.code;
    }
  };
  EXPECT_EQ(code_of({.device = static_cast<int>(devices.size())}), ErrorCode::out_of_range);
  EXPECT_EQ(code_of({.device = 0, .memory_limit_bytes = 2 * devices[0].total_bytes}),
            ErrorCode::does_not_fit);
  const auto backend = make_cuda_backend({.device = 0, .memory_limit_bytes = std::size_t{256} << 20});
  try {
    const Buffer too_much = backend->allocate(std::size_t{1} << 30);
    ADD_FAILURE() << "more than the limit";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::does_not_fit);
    EXPECT_NE(error.found.find("1.0 GiB"), std::string::npos) << error.found;
  }
}

}  // namespace
}  // namespace cce
