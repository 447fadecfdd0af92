// What scripts/conformance asks of this project, one command a run:
//   logits FOLDER IDS SEQUENCES DTYPE OUT        IDS: int32 file, OUT: f32 file, tokens × vocabulary
//   losses FOLDER TOKENS WINDOW WINDOWS DTYPE    TOKENS: uint16 file; mean loss of windows of WINDOW
//                                                predictions
//   generate FOLDER COUNT ID...                  greedy, with the cache
//   export FOLDER OUT FORMAT DTYPE [SEED]        with a seed a random selection of every layer, or
//                                                (uniform) of FFN neurons alone; else the whole model
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "tests/worker/model/raw_checkpoint.h"
#include "worker/model/checkpoint_writer.h"
#include "worker/model/generate.h"
#include "worker/model/pruned_layer.h"

namespace cce {
namespace {

using Arguments = std::vector<std::string>;

template <typename T>
std::vector<T> read_values(const std::string& path) {
  const std::string bytes = read_bytes(path);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

DType dtype_of(const std::string& text) {
  return text == "bf16" ? DType::bf16 : text == "f16" ? DType::f16 : DType::f32;
}

struct OpenModel {
  OpenModel(const std::string& folder, DType compute_dtype)
      : backend(make_cpu_backend(1)),
        checkpoint(Checkpoint::open(PosixFileSystem(), folder)),
        ends(checkpoint.end_weights(*backend, compute_dtype)),
        layers(checkpoint_layers(*backend, checkpoint, compute_dtype)),
        dtype(compute_dtype) {}
  ModelRunner runner() { return {*backend, checkpoint.config(), ends, layers, dtype}; }

  std::unique_ptr<Backend> backend;
  Checkpoint checkpoint;
  EndWeights ends;
  LayerProvider layers;
  DType dtype;
};

void print_logits(const Arguments& arguments) {
  OpenModel model(arguments.at(0), dtype_of(arguments.at(3)));
  const std::vector<std::int32_t> ids = read_values<std::int32_t>(arguments.at(1));
  const std::int64_t sequences = std::stol(arguments.at(2));
  const OwnedMatrix logits =
      model.runner().logits(ids, {sequences, static_cast<std::int64_t>(ids.size()) / sequences});
  HostMatrix host(logits.rows(), logits.cols());
  model.backend->download(logits.view(), host.view());
  write_bytes(arguments.at(4),
              std::string(reinterpret_cast<const char*>(host.values.data()), 4 * host.values.size()));
}

void print_losses(const Arguments& arguments) {
  OpenModel model(arguments.at(0), dtype_of(arguments.at(4)));
  const std::vector<std::uint16_t> tokens = read_values<std::uint16_t>(arguments.at(1));
  const std::int64_t predictions = std::stol(arguments.at(2)), windows = std::stol(arguments.at(3));
  std::vector<std::int32_t> ids;
  for (std::int64_t window = 0; window < windows; ++window) {
    const auto first = tokens.begin() + window * predictions;
    ids.insert(ids.end(), first, first + predictions + 1);
  }
  const std::vector<float> losses = model.runner().token_losses(ids, {windows, predictions + 1}, 8);
  std::printf("%.6f\n",
              std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size()));
}

void print_generated(const Arguments& arguments) {
  OpenModel model(arguments.at(0), DType::f32);
  std::vector<std::int32_t> prompt;
  for (std::size_t i = 2; i < arguments.size(); ++i) prompt.push_back(std::stoi(arguments[i]));
  for (const std::int32_t token :
       generate_greedily(*model.backend, model.checkpoint.config(), model.ends, model.layers, DType::f32,
                         prompt, {.max_new_tokens = std::stol(arguments.at(1)), .stop_token = {}})) {
    std::printf("%d ", token);
  }
  std::printf("\n");
}

std::vector<std::int32_t> random_subset(std::int64_t count, std::int64_t kept, std::mt19937& engine) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(count)), chosen;
  std::iota(all.begin(), all.end(), 0);
  std::sample(all.begin(), all.end(), std::back_inserter(chosen), kept, engine);
  return chosen;
}

/// Layer 0 loses its FFN, layer 1 its attention; the rest keep random pieces.
LayerPlan random_plan(const LayerShape& shape, std::size_t index, std::mt19937& engine) {
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
  };
  LayerPlan plan;
  plan.keep_ffn = index != 0;
  plan.keep_attention = index != 1;
  plan.ffn_neurons = random_subset(shape.ffn_width, between(1, shape.ffn_width), engine);
  plan.kv_groups = random_subset(shape.kv_groups, between(1, shape.kv_groups), engine);
  plan.vo_dim = between(1, shape.vo_dim);
  const std::int64_t pairs = shape.keeps_qk_whole() ? shape.qk_dim / 2 : between(1, shape.qk_dim / 2);
  for (std::size_t i = 0; i < plan.kv_groups.size(); ++i) {
    plan.rope_pairs.push_back(random_subset(shape.qk_dim / 2, pairs, engine));
  }
  return plan;
}

/// Keeps the first `width` value dimensions of every head.
void narrow_values(HostLayer& layer, std::int64_t width) {
  HostLayer narrow = layer;
  narrow.shape.vo_dim = width;
  const std::int64_t hidden_size = layer.v.cols, old_width = layer.shape.vo_dim;
  narrow.v = HostMatrix(layer.shape.kv_groups * width, hidden_size);
  narrow.o = HostMatrix(hidden_size, layer.shape.query_heads() * width);
  if (layer.shape.v_bias) narrow.v_bias = HostMatrix(1, layer.shape.kv_groups * width);
  for (std::int64_t row = 0; row < narrow.v.rows; ++row) {
    const std::int64_t source = row / width * old_width + row % width;
    std::copy_n(layer.v.row(source), hidden_size, narrow.v.row(row));
    if (layer.shape.v_bias) narrow.v_bias.row(0)[row] = layer.v_bias.row(0)[source];
  }
  for (std::int64_t row = 0; row < hidden_size; ++row) {
    for (std::int64_t column = 0; column < narrow.o.cols; ++column) {
      narrow.o.row(row)[column] = layer.o.row(row)[column / width * old_width + column % width];
    }
  }
  layer = std::move(narrow);
}

void write_export(const Arguments& arguments) {
  const Checkpoint original = Checkpoint::open(PosixFileSystem(), arguments.at(0));
  const bool custom = arguments.at(2) == "custom";
  CompressionPlan plan = keep_all(original.config());
  const bool prunes = arguments.size() > 4;
  std::mt19937 engine(prunes ? static_cast<unsigned>(std::stoul(arguments[4])) : 0U);
  const std::vector<std::int32_t> shared_neurons = random_subset(
      original.config().layers.front().ffn_width, original.config().layers.front().ffn_width / 2, engine);
  for (std::size_t k = 0; prunes && k < plan.layers.size(); ++k) {
    if (custom) {
      plan.layers[k] = random_plan(original.config().layers[k], k, engine);
    } else {
      plan.layers[k].ffn_neurons = shared_neurons;
    }
  }
  const ModelConfig config = apply_plan(original.config(), plan);
  const auto pruned = [&](std::int64_t layer) {
    const auto index = static_cast<std::size_t>(layer);
    const LayerShape& shape = original.config().layers[index];
    std::vector<std::byte> block(packed_layer_bytes(shape, config.hidden_size, DType::f32));
    original.pack_layer(layer, DType::f32, block);
    HostLayer result = prune_layer(
        view_packed_layer(shape, config.hidden_size, DType::f32, std::span<const std::byte>(block)),
        plan.layers[index]);
    if (result.shape.has_attention) narrow_values(result, plan.layers[index].vo_dim);
    return result;
  };
  PosixFileSystem files;
  files.make_directory(arguments.at(1));
  write_checkpoint(
      files, arguments.at(1), {.config = config, .layer = pruned, .original = original, .final_norm = {}},
      {.format = custom ? ExportFormat::custom : ExportFormat::uniform, .dtype = dtype_of(arguments.at(3))});
}

}  // namespace
}  // namespace cce

int main(int argument_count, char** values) {
  using Command = void (*)(const cce::Arguments&);
  const std::pair<std::string, Command> commands[] = {{"logits", cce::print_logits},
                                                      {"losses", cce::print_losses},
                                                      {"generate", cce::print_generated},
                                                      {"export", cce::write_export}};
  if (argument_count < 2) return 2;
  const cce::Arguments arguments(values + 2, values + argument_count);
  try {
    for (const auto& [name, command] : commands) {
      if (name == values[1]) {
        command(arguments);
        return 0;
      }
    }
  } catch (const cce::Error& error) {
    std::fprintf(stderr, "%s\n", cce::describe(error).c_str());
    return cce::exit_code(error.code);
  }
  std::fprintf(stderr, "logits, losses, generate or export\n");
  return 2;
}
