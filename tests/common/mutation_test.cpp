// Damaged input of every kind is refused by an Error and nothing else: seeded mutations of good documents.
// A failing case prints its seed; run it again with --gtest_filter and the same seed.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "common/compression_plan.h"
#include "common/error.h"
#include "common/file.h"
#include "common/job_event.h"
#include "common/job_spec.h"
#include "common/model_config.h"
#include "common/model_config_write.h"
#include "common/partition.h"
#include "common/safetensors_header.h"

namespace cce {
namespace {

constexpr int mutations_of_each = 1000;

/// One to four edits: a byte changed, a stretch removed, doubled, or replaced by what tends to break parsers.
std::string mutate(std::string text, std::mt19937_64& random) {
  static const std::string fragments[] = {"-1", "1e308",   "18446744073709551616", "null", "[]",   "{}",
                                          "\"", "\\u0000", "9223372036854775807",  "0.5",  "true", "[[[["};
  const auto below = [&random](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  const std::size_t edits = 1 + below(4);
  for (std::size_t edit = 0; edit < edits && !text.empty(); ++edit) {
    const std::size_t at = below(text.size());
    const std::size_t length = 1 + below(12);
    switch (below(4)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      default:
        text.replace(at, length, fragments[below(std::size(fragments))]);
        break;
    }
  }
  return text;
}

struct Format {
  const char* name;
  std::string good;
  std::function<void(const std::string&)> parse;
};

std::string custom_config() {
  const PosixFileSystem files;
  const std::string text =
      files.read_text(std::string(CCE_TESTS_DIR) + "/data/models/stories260K/config.json", 1 << 20);
  const ModelConfig dense = parse_model_config(text, "x");
  CompressionPlan plan = keep_all(dense);
  plan.layers[0].rope_pairs = {{0, 1}, {1, 2}, {0, 3}, {2, 3}};
  return to_config_json(apply_plan(dense, plan), ExportFormat::custom, text, "bf16");
}

std::vector<Format> formats() {
  const ModelConfig model = parse_model_config(custom_config(), "x");
  JobSpec spec;
  spec.model = "m";
  spec.calibration.text = {{.path = "a.txt", .name = "a", .first = 0, .last = 4}};
  Partition partition;
  partition.sequences = split_sequences(3, 2);
  partition.owner = {0, 1};
  JobEvent event;
  event.seq = 1;
  event.type = "error";
  event.metrics = {{"loss", 1.5}};
  event.error = Error{ErrorCode::disk_full, "a", "b", "c", "d"};
  std::vector<TensorEntry> tensors = {{.name = "a", .dtype = "F32", .shape = {2, 2}},
                                      {.name = "b", .dtype = "BF16", .shape = {3}}};
  ShardIndex index;
  index.file_of_tensor = {{"a", "x.safetensors"}};
  return {
      {"config", custom_config(), [](const std::string& text) { parse_model_config(text, "x"); }},
      {"spec", to_json(spec), [](const std::string& text) { parse_job_spec(text, "x"); }},
      {"partition", to_json(partition), [](const std::string& text) { parse_partition(text, "x"); }},
      {"plan", to_json(keep_all(model)),
       [model](const std::string& text) { apply_plan(model, parse_compression_plan(text, "x")); }},
      {"event", to_json_line(event), [](const std::string& text) { parse_job_event(text, "x"); }},
      {"shards", to_json(index, 4), [](const std::string& text) { parse_shard_index(text, "x"); }},
      {"safetensors", write_safetensors_header(tensors) + std::string(22, 'x'),
       [](const std::string& text) { parse_safetensors_header(std::as_bytes(std::span(text)), "x"); }},
  };
}

TEST(MutationTest, damaged_input_is_refused_by_an_error) {
  for (const Format& format : formats()) {
    ASSERT_NO_THROW(format.parse(format.good)) << format.name;
    int refused = 0;
    for (std::uint64_t seed = 0; seed < mutations_of_each; ++seed) {
      std::mt19937_64 random(seed);
      try {
        format.parse(mutate(format.good, random));
      } catch (const Error& error) {
        ++refused;
        EXPECT_FALSE(error.where.empty()) << format.name << ", seed " << seed;
        EXPECT_EQ(exit_code(error.code), 2) << format.name << ", seed " << seed << ": " << describe(error);
      } catch (const std::exception& failure) {
        ADD_FAILURE() << format.name << ", seed " << seed << ": " << failure.what();
      }
    }
    EXPECT_GT(refused, mutations_of_each / 10) << format.name;
  }
}

}  // namespace
}  // namespace cce
