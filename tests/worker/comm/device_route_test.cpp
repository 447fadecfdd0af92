// Which way device memory travels, by who computes where.
#include "worker/comm/device/device_route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "worker/comm/local/local_communicator.h"

namespace cce {
namespace {

RankDevice device(std::string_view host, std::string_view bus, int version = 22809) {
  RankDevice result;
  result.present = !bus.empty();
  std::copy(host.begin(), host.end(), result.host.begin());
  std::copy(bus.begin(), bus.end(), result.bus_identifier.begin());
  result.nccl_version = version;
  return result;
}

struct RouteRow {
  const char* name;
  std::vector<RankDevice> ranks;
  DeviceRoute route;
};
std::ostream& operator<<(std::ostream& out, const RouteRow& row) {
  return out << row.name;
}

const RouteRow route_rows[] = {
    {"one_rank_on_the_cpu", {device("a", "")}, DeviceRoute::host},
    {"ranks_on_the_cpu", {device("a", ""), device("b", "")}, DeviceRoute::host},
    {"one_rank_on_a_gpu", {device("a", "0000:01:00")}, DeviceRoute::host},
    {"a_gpu_each", {device("a", "0000:01:00"), device("a", "0000:02:00")}, DeviceRoute::nccl},
    {"the_same_slot_on_two_hosts", {device("a", "0000:01:00"), device("b", "0000:01:00")}, DeviceRoute::nccl},
    {"two_ranks_on_one_gpu", {device("a", "0000:01:00"), device("a", "0000:01:00")}, DeviceRoute::staged},
    {"two_of_three_on_one_gpu",
     {device("a", "0000:01:00"), device("b", "0000:01:00"), device("a", "0000:01:00")},
     DeviceRoute::staged},
    {"versions_do_not_matter_where_nccl_is_not_used",
     {device("a", "0000:01:00", 22003), device("a", "0000:01:00")},
     DeviceRoute::staged},
};

class RouteOfDeviceMemory : public testing::TestWithParam<RouteRow> {};

TEST_P(RouteOfDeviceMemory, follows_from_who_computes_where) {
  EXPECT_EQ(choose_route(GetParam().ranks), GetParam().route);
}

INSTANTIATE_TEST_SUITE_P(Rows, RouteOfDeviceMemory, testing::ValuesIn(route_rows),
                         testing::PrintToStringParamName());

Error refusal(const std::vector<RankDevice>& ranks) {
  try {
    choose_route(ranks);
  } catch (const Error& error) {
    return error;
  }
  return {};
}

TEST(RouteOfDeviceMemory, ranks_without_a_gpu_beside_ranks_with_one_are_refused) {
  const Error error = refusal({device("a", "0000:01:00"), device("b", "")});
  EXPECT_EQ(error.code, ErrorCode::impossible_combination);
  EXPECT_EQ(error.found, "a GPU on rank 0, no GPU on rank 1");
}

TEST(RouteOfDeviceMemory, versions_of_nccl_that_differ_are_refused) {
  const Error error = refusal({device("a", "0000:01:00"), device("b", "0000:01:00", 22003)});
  EXPECT_EQ(error.code, ErrorCode::impossible_combination);
  EXPECT_EQ(error.found, "NCCL 2.28.9 on rank 0, NCCL 2.20.3 on rank 1");
}

TEST(RouteOfDeviceMemory, a_backend_in_host_memory_keeps_the_hosts_communicator) {
  const auto backend = make_cpu_backend(1);
  auto host = std::move(make_local_communicators(1, {})[0]);
  const Communicator* const expected = host.get();
  EXPECT_EQ(make_backend_communicator(std::move(host), *backend).get(), expected);
}

}  // namespace
}  // namespace cce
