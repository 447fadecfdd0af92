#include "worker/stages/encode/stream_pair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "tests/worker/stages/stage_fixture.h"

namespace cce {
namespace {

/// What the sequences of all ranks are used for: the embedded first token of each says which one it is.
std::map<float, bool> held_out_by_first_value(int ranks, std::int64_t sequences) {
  StageJob job("llama_mha", sequences, 6);
  std::mutex mutex;
  std::map<float, bool> held_out;
  job.run(ranks, [&](StageContext& context) {
    CalibrationData data = job.data();
    for (std::size_t i = 0; i < data.windows.size(); ++i) {
      data.windows[i][0] = static_cast<std::int32_t>(i);
    }
    StreamPair streams(context, data);
    const OwnedMatrix embedding = context.checkpoint.embedding(context.backend, DType::f32);
    streams.embed(embedding.view(), 1.0F);
    bool seen_held_out = false;
    std::int64_t next_token = 0;
    for (const MicroBatch& micro_batch : streams.micro_batches()) {
      EXPECT_EQ(micro_batch.first_token, next_token);
      next_token += micro_batch.batch.tokens();
      EXPECT_TRUE(micro_batch.held_out || !seen_held_out) << "held-out sequences stand last";
      seen_held_out = micro_batch.held_out;
      EXPECT_LE(micro_batch.batch.tokens(), streams.largest_micro_batch_tokens());
      const Matrix dense = streams.dense(micro_batch);
      const Matrix compressed = streams.compressed(micro_batch);
      const std::scoped_lock lock(mutex);
      for (std::int64_t row = 0; row < dense.rows; row += data.length) {
        const float value = dense.as<float>()[row * dense.stride];
        EXPECT_EQ(value, compressed.as<float>()[row * compressed.stride]);
        held_out[value] = micro_batch.held_out;
      }
    }
    EXPECT_EQ(next_token, streams.tokens());
    EXPECT_EQ(streams.anything_held_out(), sequences >= 8);
  });
  return held_out;
}

TEST(StreamPair, holds_out_every_eighth_sequence_whatever_the_ranks) {
  const std::map<float, bool> alone = held_out_by_first_value(1, 19);
  EXPECT_EQ(alone.size(), 19U);
  EXPECT_EQ(std::count_if(alone.begin(), alone.end(), [](const auto& entry) { return entry.second; }), 2);
  for (const int ranks : {2, 3, 5}) {
    EXPECT_EQ(held_out_by_first_value(ranks, 19), alone) << ranks;
  }
}

TEST(StreamPair, holds_nothing_out_of_few_sequences) {
  for (const auto& [value, held_out] : held_out_by_first_value(2, 7)) {
    EXPECT_FALSE(held_out);
  }
}

}  // namespace
}  // namespace cce
