#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/job/job_dir.h"
#include "common/model/formats/export_format.h"
#include "tests/common/temporary_folder.h"
#include "tests/worker/test_model.h"
#include "worker/comm/local/local_communicator.h"
#include "worker/passes/stage_context.h"
#include "worker/stages/calibrate/calibration_data.h"

namespace cce {

/// A job on one of the small models, f32, whose stages run on any number of ranks, a thread each.
class StageJob {
 public:
  explicit StageJob(const std::string& model, std::int64_t sequences = 10, std::int64_t length = 24)
      : checkpoint_(Checkpoint::open(files_, test_model(model))) {
    spec.model = test_model(model).string();
    spec.calibration.length = length;
    spec.calibration.sequences = sequences;
    spec.calibration.gradient_sequences = sequences / 2;
    spec.export_settings.format = ExportFormat::custom;
    spec.export_settings.round_to = 4;
    spec.export_settings.dtype = "f32";
    spec.structures = {Structure::ffn, Structure::vo, Structure::qk, Structure::kv_groups};
  }

  const ModelConfig& dense() const { return checkpoint_.config(); }
  const Checkpoint& checkpoint() const { return checkpoint_; }

  /// Windows of random tokens, the same on every call.
  CalibrationData data() const {
    std::mt19937 engine(7);
    std::uniform_int_distribution<std::int32_t> token(0,
                                                      static_cast<std::int32_t>(dense().vocabulary_size) - 1);
    CalibrationData result;
    result.length = spec.calibration.length;
    for (std::int64_t i = 0; i < spec.calibration.sequences; ++i) {
      auto& window = result.windows.emplace_back(static_cast<std::size_t>(spec.calibration.length));
      for (std::int32_t& id : window) {
        id = token(engine);
      }
    }
    result.gradient_sequences =
        spread_evenly(spec.calibration.sequences, spec.calibration.gradient_sequences);
    return result;
  }

  /// Layers go round, sequences are split, small micro-batches and chunks.
  Partition partition(int ranks) const {
    Partition result;
    for (std::size_t layer = 0; layer < dense().layers.size(); ++layer) {
      result.owner.push_back(static_cast<std::int32_t>(layer) % ranks);
    }
    result.sequences = split_sequences(spec.calibration.sequences, ranks);
    result.micro_batch_sequences = 2;
    result.chunk_sequences = 3;
    return result;
  }

  /// Runs `body` on every rank of a new job directory; the first error that a rank throws is thrown here.
  void run(int ranks, const std::function<void(StageContext&)>& body) {
    folder_.emplace();
    const Partition parts = partition(ranks);
    JobDir::create(files_, root(), spec, parts);
    const auto communicators = make_local_communicators(ranks, {.deadline_seconds = 60.0});
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(ranks));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          run_or_abort(*communicators[static_cast<std::size_t>(rank)],
                       [&] { run_rank(parts, *communicators[static_cast<std::size_t>(rank)], body); });
        } catch (...) {
          failures[static_cast<std::size_t>(rank)] = std::current_exception();
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const std::exception_ptr& failure : failures) {
      if (failure) {
        std::rethrow_exception(failure);
      }
    }
  }

  std::filesystem::path root() const { return folder_->path() / "job"; }
  std::vector<JobEvent> events() const { return read_events(files_, root() / "events.jsonl"); }

  JobSpec spec;
  /// Each rank's own.
  std::function<std::unique_ptr<Backend>()> make_backend = [] { return make_cpu_backend(1); };
  LayerDelivery delivery = LayerDelivery::broadcast;

 private:
  void run_rank(const Partition& parts, Communicator& communicator,
                const std::function<void(StageContext&)>& body) {
    JobDir job = JobDir::open(files_, root());
    std::optional<EventLog> events;
    if (communicator.rank() == 0) {
      events.emplace(files_, job.events_path());
    }
    const auto backend = make_backend();
    Reporter reporter(job, communicator, events ? &*events : nullptr);
    JobTexts texts(files_, spec, checkpoint_.config().vocabulary_size, job.root() / "tokens",
                   [&](const std::string& sentence) { reporter.warning(sentence); });
    StageContext context{spec, parts,    checkpoint_, *backend,   communicator, files_,
                         job,  reporter, texts,       DType::f32, delivery};
    body(context);
  }

  PosixFileSystem files_;
  Checkpoint checkpoint_;
  std::optional<TemporaryFolder> folder_;
};

/// Largest |a − b| over the largest |b|.
inline double relative_distance(ConstMatrix a, const std::vector<double>& b) {
  EXPECT_EQ(static_cast<std::size_t>(a.rows * a.cols), b.size());
  double distance = 0.0;
  double largest = 1e-300;
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < a.cols; ++j) {
      const double value = a.dtype == DType::f64 ? a.as<double>()[i * a.stride + j]
                                                 : static_cast<double>(a.as<float>()[i * a.stride + j]);
      const double expected = b[static_cast<std::size_t>(i * a.cols + j)];
      distance = std::max(distance, std::abs(value - expected));
      largest = std::max(largest, std::abs(expected));
    }
  }
  return distance / largest;
}

}  // namespace cce
