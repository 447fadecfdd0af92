// Time of one fine-tuning step on this machine, and of its parts. Usage: cce-step-bench [threads] [sequences]
// [student FFN width] [steps]. Random weights of SmolLM2-135M's shapes, sequences of 1024 tokens, bf16
// compute: teacher and student forward, L_rec at every layer, KL, backward with recomputation inside blocks,
// clipping and AdamW with fp32 masters: what scripts/bench/step_side.py does in PyTorch. Prints the median
// step and the medians of its parts.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "worker/model/block.h"
#include "worker/model/block_gradients.h"
#include "worker/model/output_gradients.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr std::int64_t length = 1024, hidden = 576, vocabulary = 49152, teacher_width = 1536;
constexpr std::int64_t layer_count = 30;

LayerShape layer_shape(std::int64_t ffn_width) {
  LayerShape shape;
  shape.has_attention = shape.has_ffn = true;
  shape.kv_groups = 3;
  shape.queries_per_group = 3;
  shape.qk_dim = shape.vo_dim = 64;
  shape.ffn_width = ffn_width;
  return shape;
}

ModelConfig model_config(std::int64_t ffn_width) {
  ModelConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = hidden;
  config.vocabulary_size = vocabulary;
  config.max_positions = 2048;
  config.head_dim = 64;
  config.layers.assign(static_cast<std::size_t>(layer_count), layer_shape(ffn_width));
  return config;
}

/// Seconds by part, in order of first use.
class Clock {
 public:
  void lap(const std::string& part) {
    const auto now = std::chrono::steady_clock::now();
    if (!seconds_.contains(part)) order_.push_back(part);
    seconds_[part].back() += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }
  void start_step(const std::vector<std::string>& parts) {
    for (const std::string& part : parts) {
      if (!seconds_.contains(part)) order_.push_back(part);
      seconds_[part].push_back(0.0);
    }
    last_ = std::chrono::steady_clock::now();
  }
  void print() const {
    for (const std::string& part : order_)
      std::printf("  %-22s %8.1f ms\n", part.c_str(), 1e3 * median(part));
  }
  double median(const std::string& part) const {
    std::vector<double> sorted = seconds_.at(part);
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }

 private:
  std::chrono::steady_clock::time_point last_;
  std::map<std::string, std::vector<double>> seconds_;
  std::vector<std::string> order_;
};

/// Deterministic numbers about `centre`, at most `amplitude` away.
void fill(Backend& backend, Matrix target, float centre, float amplitude, std::uint32_t seed) {
  std::vector<float> values(static_cast<std::size_t>(target.rows * target.cols));
  std::uint32_t state = seed;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = centre + amplitude * (static_cast<float>(state >> 8) / 8388608.0f - 1.0f);
  }
  ops::convert(backend, {values.data(), DType::f32, target.rows, target.cols, target.cols}, target);
}

struct PackedModel {
  ModelConfig config;
  std::vector<OwnedMatrix> memory;

  PackedModel(Backend& backend, std::int64_t ffn_width, std::uint32_t seed)
      : config(model_config(ffn_width)) {
    for (std::int64_t k = 0; k < layer_count; ++k) {
      memory.push_back(backend.zeros(DType::bf16, 1, static_cast<std::int64_t>(bytes() / 2)));
      LayerWeightsMutable parts = writable_packed_layer(config.layers[0], hidden, DType::bf16, block(k));
      for (const TensorRole role : layer_roles()) {
        const Matrix part = part_view(parts, role);
        if (part.empty()) continue;
        const bool is_matrix = part_size(config.layers[0], hidden, role).is_matrix;
        fill(backend, part, is_matrix ? 0.0f : 1.0f,
             is_matrix ? 1.0f / std::sqrt(static_cast<float>(part.cols)) : 0.1f,
             seed + static_cast<std::uint32_t>(k) * 31u + static_cast<std::uint32_t>(role));
      }
    }
  }
  std::size_t bytes() const { return packed_layer_bytes(config.layers[0], hidden, DType::bf16); }
  std::span<std::byte> block(std::int64_t k) {
    return {memory[static_cast<std::size_t>(k)].as<std::byte>(), bytes()};
  }
  LayerWeights layer(std::int64_t k) {
    return view_packed_layer(config.layers[0], hidden, DType::bf16, block(k));
  }
};

const std::vector<std::string> parts = {"teacher forward", "student forward", "L_rec",    "KL",
                                        "backward",        "clipping",        "optimiser"};

class Step {
 public:
  Step(int threads, std::int64_t sequences, std::int64_t student_width)
      : backend_(make_cpu_backend(threads)),
        batch_{sequences, length},
        teacher_(*backend_, teacher_width, 1),
        student_(*backend_, student_width, 2),
        blocks_(*backend_, student_.config),
        output_(*backend_, 1e-5, DType::bf16) {
    for (EndWeights* ends : {&ends_, &teacher_ends_}) {
      ends->embedding = backend_->matrix(DType::bf16, vocabulary, hidden);
      ends->final_norm = backend_->matrix(DType::f32, 1, hidden);
      fill(*backend_, ends->embedding.view(), 0.0f, 0.1f, 5);
      fill(*backend_, ends->final_norm.view(), 1.0f, 0.1f, 6);
    }
    for (std::int64_t t = 0; t < batch_.tokens(); ++t) {
      tokens_.push_back(static_cast<std::int32_t>(t * 7919 % vocabulary));
    }
    for (std::int64_t k = 0; k < layer_count; ++k) {
      masters_.emplace_back(*backend_);
      masters_.back().assign(student_.layer(k), hidden);
      moments_.emplace_back(*backend_, student_.config.layers[static_cast<std::size_t>(k)], hidden);
      gradients_.emplace_back(*backend_);
      boundaries_.push_back(backend_->matrix(DType::f32, batch_.tokens(), hidden));
      injected_.push_back(backend_->matrix(DType::bf16, batch_.tokens(), hidden));
    }
    stream_ = backend_->matrix(DType::f32, batch_.tokens(), hidden);
    teacher_stream_ = backend_->matrix(DType::f32, batch_.tokens(), hidden);
    d_stream_ = backend_->matrix(DType::f32, batch_.tokens(), hidden);
    losses_ = backend_->matrix(DType::f32, 1, batch_.tokens());
    d_final_norm_ = backend_->zeros(DType::f32, 1, hidden);
  }

  double run(std::int64_t number, Clock& clock) {
    clock.start_step(parts);
    const auto count = static_cast<double>(batch_.tokens());
    ops::embed(*backend_, tokens_, ends_.embedding.view(), stream_.view());
    ops::embed(*backend_, tokens_, teacher_ends_.embedding.view(), teacher_stream_.view());
    for (std::int64_t k = 0; k < layer_count; ++k) {
      const auto at = static_cast<std::size_t>(k);
      run_layer(*backend_, blocks_, teacher_.layer(k), batch_, teacher_stream_.view(), features_);
      clock.lap("teacher forward");
      ops::convert(*backend_, stream_.view(), boundaries_[at].view());
      run_layer(*backend_, blocks_, student_.layer(k), batch_, stream_.view(), features_);
      clock.lap("student forward");
      ops::relative_error(*backend_, stream_.view(), teacher_stream_.view(), 1.0 / (count * layer_count),
                          losses_.view(), injected_[at].view());
      clock.lap("L_rec");
    }
    backend_->fill_zero(d_stream_.view());
    const double kl = output_.divergence(stream_.view(), ends_, teacher_stream_.view(), teacher_ends_,
                                         1.0 / count, d_stream_.view(), d_final_norm_.view());
    clock.lap("KL");
    for (std::int64_t k = layer_count - 1; k >= 0; --k) {
      const auto at = static_cast<std::size_t>(k);
      ops::add(*backend_, injected_[at].view(), d_stream_.view());
      gradients_[at].reset(student_.config.layers[at], hidden);
      blocks_.layer_gradients(student_.layer(k), batch_, boundaries_[at].view(), d_stream_.view(),
                              gradients_[at].parts());
    }
    clock.lap("backward");
    double squares = 0.0;
    for (LayerNumbers& numbers : gradients_)
      squares += ops::inner_product(*backend_, numbers.row(), numbers.row());
    clock.lap("clipping");
    const AdamWStep step{
        .step = number, .learning_rate = 3e-4, .gradient_scale = 1.0 / std::max(1.0, std::sqrt(squares))};
    for (std::int64_t k = 0; k < layer_count; ++k) {
      const auto at = static_cast<std::size_t>(k);
      step_layer(*backend_, step, gradients_[at], masters_[at], moments_[at], DType::bf16, student_.block(k));
    }
    clock.lap("optimiser");
    return kl / count;
  }

 private:
  std::unique_ptr<Backend> backend_;
  TokenBatch batch_;
  PackedModel teacher_, student_;
  BlockRunner blocks_;
  OutputGradients output_;
  EndWeights ends_, teacher_ends_;
  std::vector<std::int32_t> tokens_;
  std::vector<LayerNumbers> masters_, gradients_;
  std::vector<LayerMoments> moments_;
  std::vector<OwnedMatrix> boundaries_, injected_;
  OwnedMatrix stream_, teacher_stream_, d_stream_, losses_, d_final_norm_, features_;
};

}  // namespace
}  // namespace cce

int main(int argc, char** argv) {
  try {
    const auto argument = [&](int i, int fallback) { return argc > i ? std::atoi(argv[i]) : fallback; };
    cce::Step step(argument(1, 2), argument(2, 2), argument(3, 1088));
    const int steps = argument(4, 5);
    cce::Clock clock, warm_up;
    step.run(1, warm_up);
    std::vector<double> seconds, processor;
    double kl = 0.0;
    for (int i = 0; i < steps; ++i) {
      const auto start = std::chrono::steady_clock::now();
      const std::clock_t used = std::clock();
      kl = step.run(i + 2, clock);
      processor.push_back(static_cast<double>(std::clock() - used) / CLOCKS_PER_SEC);
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(seconds.begin(), seconds.end());
    std::sort(processor.begin(), processor.end());
    std::printf("step %.1f ms (median of %d, least %.1f), processor time %.1f ms, KL %.4f\n",
                1e3 * seconds[seconds.size() / 2], steps, 1e3 * seconds.front(),
                1e3 * processor[processor.size() / 2], kl);
    clock.print();
  } catch (const cce::Error& error) {
    std::fprintf(stderr, "%s\n", cce::describe(error).c_str());
    return cce::exit_code(error.code);
  }
  return 0;
}
