// Layers on their way into memory that the host cannot reach: packed and uploaded one ahead of the visits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/worker/fenced/fenced_backend.h"
#include "worker/comm/local/local_communicator.h"
#include "worker/passes/layer_stream.h"
#include "worker/tensor/host_access.h"

namespace cce {
namespace {

constexpr std::int64_t layers = 5;

/// Layers of different sizes; writes down what it packs.
class CountedLayers final : public LayerSource {
 public:
  std::size_t packed_bytes(std::int64_t layer) const override {
    return static_cast<std::size_t>(64 + 32 * layer);
  }
  void pack(std::int64_t layer, std::span<std::byte> destination) override {
    events.push_back("pack " + std::to_string(layer));
    std::fill(destination.begin(), destination.end(), static_cast<std::byte>(layer));
  }

  std::vector<std::string> events;
};

class FencedLayerStream : public ::testing::Test {
 protected:
  FencedLayerStream() {
    partition_.owner.assign(layers, 0);
    partition_.sequences.resize(1);
  }

  std::vector<std::byte> on_host(std::span<const std::byte> packed) {
    std::vector<std::byte> bytes(packed.size());
    download_bytes(backend_, packed, bytes);
    return bytes;
  }
  void visit(const LayerVisit& now) {
    source_.events.push_back("visit " + std::to_string(now.layer));
    EXPECT_THAT(on_host(now.packed), testing::Each(static_cast<std::byte>(now.layer)))
        << "layer " << now.layer;
    EXPECT_EQ(now.packed.size(), source_.packed_bytes(now.layer));
  }

  FencedBackend backend_{1};
  Partition partition_;
  CountedLayers source_;
  std::unique_ptr<Communicator> communicator_ =
      std::move(make_local_communicators(1, {.deadline_seconds = 60.0})[0]);
};

TEST_F(FencedLayerStream, a_layer_is_packed_and_under_way_while_the_one_before_is_visited) {
  LayerStream stream(*communicator_, backend_, partition_, source_, LayerDelivery::mapped);
  stream.forward(0, layers, [this](const LayerVisit& now) { visit(now); });
  EXPECT_THAT(source_.events, testing::ElementsAre("pack 0", "pack 1", "visit 0", "pack 2", "visit 1",
                                                   "pack 3", "visit 2", "pack 4", "visit 3", "visit 4"));
  source_.events.clear();
  stream.backward(3, layers, [this](const LayerVisit& now) { visit(now); });
  EXPECT_THAT(source_.events, testing::ElementsAre("pack 4", "pack 3", "visit 4", "visit 3"));
}

TEST_F(FencedLayerStream, a_pass_that_throws_leaves_no_copy_that_the_next_one_meets) {
  LayerStream stream(*communicator_, backend_, partition_, source_, LayerDelivery::mapped);
  EXPECT_THROW(stream.forward(0, layers, [](const LayerVisit&) { throw std::string("a visit fails"); }),
               std::string);
  stream.backward(0, layers, [this](const LayerVisit& now) { visit(now); });
}

TEST_F(FencedLayerStream, its_end_waits_for_what_is_under_way) {
  {
    LayerStream stream(*communicator_, backend_, partition_, source_, LayerDelivery::mapped);
    EXPECT_THROW(stream.forward(0, layers, [](const LayerVisit&) { throw std::string("a visit fails"); }),
                 std::string);
    EXPECT_EQ(backend_.uploads_under_way(), 1U);
  }
  EXPECT_EQ(backend_.uploads_under_way(), 0U) << "into memory that is freed";
}

}  // namespace
}  // namespace cce
