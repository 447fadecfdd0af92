#include "worker/run/rank_numerics.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "tests/common/error_matcher.h"
#include "tests/worker/fenced/fenced_backend.h"
#include "worker/comm/local/local_communicator.h"

namespace cce {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::Not;

const PosixFileSystem files;

TEST(RankNumerics, say_what_decides_the_bits) {
  const auto backend = make_cpu_backend(1);
  const NumericsIdentity identity = find_numerics(files, *backend, cpu_libraries(), 1, {});
  for (const char* name : {"device", "threads", "c_library", "openblas", "onednn", "cce", "small_products"}) {
    EXPECT_THAT(identity.facts, Contains(Field(&NumericsFact::name, name)));
  }
  EXPECT_EQ(find_numerics(files, *backend, cpu_libraries(), 1, {}), identity) << "the same again";
  EXPECT_NE(find_numerics(files, *backend, cpu_libraries(), 2, {}), identity);
  EXPECT_EQ(parse_numerics_identity(to_json(identity), "there"), identity);
}

TEST(RankNumerics, of_a_device_leave_out_its_bits) {
  FencedBackend backend(1);
  EXPECT_THAT(find_numerics(files, backend, cpu_libraries(), 1, {}).facts,
              Not(Contains(Field(&NumericsFact::name, "small_products"))));
}

/// What compare_ranks says on each of three ranks; "" where it passes.
std::vector<std::string> compared(const std::vector<NumericsIdentity>& identities) {
  const auto communicators =
      make_local_communicators(static_cast<int>(identities.size()), {.deadline_seconds = 10.0});
  std::vector<std::string> said(identities.size());
  std::vector<std::thread> ranks;
  for (std::size_t rank = 0; rank < identities.size(); ++rank) {
    ranks.emplace_back([&, rank] {
      try {
        compare_ranks(*communicators[rank], "n" + std::to_string(rank), identities[rank]);
      } catch (const Error& error) {
        said[rank] = describe(error);
      }
    });
  }
  for (std::thread& rank : ranks) {
    rank.join();
  }
  return said;
}

TEST(RankNumerics, of_all_ranks_must_agree_and_all_learn_it) {
  const NumericsIdentity one{.build = "b", .facts = {{"openblas", "SkylakeX"}}};
  const NumericsIdentity other{.build = "b", .facts = {{"openblas", "Haswell"}}};
  EXPECT_EQ(compared({one, one, one}), std::vector<std::string>(3, ""));
  const std::vector<std::string> said = compared({one, other, one});
  EXPECT_THAT(said[0],
              ::testing::HasSubstr("openblas: SkylakeX on ranks 0 and 2 (n0, n2), Haswell on rank 1 (n1)"));
  EXPECT_EQ(said[1], said[0]);
  EXPECT_EQ(said[2], said[0]);
}

}  // namespace
}  // namespace cce
