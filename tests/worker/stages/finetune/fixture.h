#pragma once
#include <cmath>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/worker/stages/stage_fixture.h"
#include "worker/stages/finetune/finetune.h"

namespace cce {

/// A job whose student is the test model with every matrix moved by noise, and whose teacher is the model
/// itself. The training text is tests' random tokens in a file of the job's own folder.
class FinetuneJob : public StageJob {
 public:
  explicit FinetuneJob(const std::string& model = "llama3_gqa") : StageJob(model, 8, 24) {
    text_.emplace();
    std::mt19937 engine(11);
    std::uniform_int_distribution<int> token(0, static_cast<int>(dense().vocabulary_size) - 1);
    std::string bytes;
    for (int i = 0; i < 24 * 40; ++i) {
      const int id = token(engine);
      bytes += static_cast<char>(id & 0xff);
      bytes += static_cast<char>(id >> 8);
    }
    const auto path = text_->path() / "tokens.u16";
    PosixFileSystem().write_atomic(path, bytes);
    TextSource source;
    source.path = path.string();
    source.name = "tokens";
    source.last = 32;
    spec.finetune.text = {source};
    source.first = 32;
    source.last.reset();
    validation = source;
    spec.finetune.batch_tokens = 4 * 24;
    spec.finetune.max_tokens = 6 * 4 * 24;
    spec.finetune.beta = 0.0;
    spec.finetune.gamma = 0.0;
    spec.kind = JobKind::finetune;
  }

  /// The model's layer with noise of `noise` times each matrix' root mean square.
  HostLayer student_layer(std::int64_t index, double noise = 0.3) const {
    const LayerShape& shape = dense().layers[static_cast<std::size_t>(index)];
    std::vector<std::byte> block(packed_layer_bytes(shape, dense().hidden_size, DType::f32));
    checkpoint().pack_layer(index, DType::f32, block);
    HostLayer layer = to_host_layer(view_packed_layer(shape, dense().hidden_size, DType::f32, block));
    std::mt19937 engine(static_cast<unsigned>(100 + index));
    std::normal_distribution<double> normal;
    for (const TensorRole role : layer_roles()) {
      HostMatrix& part = part_view(layer, role);
      double energy = 0.0;
      for (const float value : part.values) {
        energy += static_cast<double>(value) * static_cast<double>(value);
      }
      const double scale =
          noise * std::sqrt(energy / static_cast<double>(std::max<std::size_t>(part.values.size(), 1)));
      for (float& value : part.values) {
        value += static_cast<float>(scale * normal(engine));
      }
    }
    return layer;
  }

  HostMatrix final_norm() const {
    HostMatrix gain(1, dense().hidden_size);
    checkpoint().read(TensorRole::final_norm, -1, DType::f32, std::as_writable_bytes(std::span(gain.values)));
    return gain;
  }

  FinetuneInput input(double noise = 0.3) const {
    return {dense(), [this, noise](std::int64_t layer) { return student_layer(layer, noise); }, final_norm(),
            checkpoint(), "test"};
  }

  TextSource validation;

 private:
  std::optional<TemporaryFolder> text_;
};

}  // namespace cce
