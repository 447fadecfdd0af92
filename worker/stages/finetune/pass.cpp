#include "worker/stages/finetune/pass.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "worker/model/model_runner.h"
#include "worker/passes/allocate.h"
#include "worker/passes/row_norms.h"
#include "worker/passes/token_share.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

void check_layers(const FinetuneSettings& settings, const ModelConfig& student, const ModelConfig& teacher) {
  const bool alike =
      student.layers.size() == teacher.layers.size() && student.hidden_size == teacher.hidden_size;
  if (settings.alpha > 0.0 && !alike) {
    const auto sizes = [](const ModelConfig& config) {
      return std::to_string(config.layers.size()) + " layers of width " + std::to_string(config.hidden_size);
    };
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "finetune.alpha, finetune.teacher",
                .found = "a teacher of " + sizes(teacher),
                .expected = sizes(student) + ", since L_rec compares layer by layer",
                .remedy = "Set finetune.alpha=0"};
  }
}

}  // namespace

JointPass::JointPass(StageContext& context, StudentWeights& weights, StudentGradients& gradients,
                     const Checkpoint& teacher, std::int64_t batch_sequences)
    : context_(context),
      student_(weights.student()),
      weights_(weights),
      gradients_(gradients),
      settings_(context.spec.finetune),
      backend_(context.backend),
      sweep_(context, student_, weights, LayerDelivery::broadcast),
      output_(context.backend, student_.rms_epsilon, context.compute_dtype),
      ends_(context.checkpoint.end_weights(context.backend, context.compute_dtype)),
      length_(context.spec.calibration.length),
      capacity_(std::max<std::int64_t>(
          share_windows(batch_sequences, batch_sequences, context.communicator).mine.count, 1)) {
  check_layers(settings_, student_, teacher.config());
  const std::int64_t tokens = capacity_ * length_;
  if (settings_.alpha > 0.0 || settings_.kl > 0.0) {
    teacher_.emplace(context, teacher, tokens);
  }
  const std::int64_t micro_tokens = std::min(context.partition.micro_batch_sequences, capacity_) * length_;
  const cost::TrainingSizes sizes =
      cost::training_sizes(student_, tokens, micro_tokens, settings_.alpha > 0.0);
  boundaries_ = allocate_each(backend_, context.compute_dtype, sizes.boundaries);
  recovery_ = allocate_each(backend_, context.compute_dtype, sizes.recovery);
  gradient_ = allocate(backend_, context.compute_dtype, sizes.gradient);
  losses_ = allocate(backend_, context.compute_dtype, sizes.losses);
}

LossTerms JointPass::run(const std::vector<TrainingText::Window>& batch) {
  start(batch);
  forward();
  output();
  backward();
  std::array<double, 3> sums{sums_.rec, sums_.kl, sums_.task};
  context_.communicator.all_reduce_sum(std::span<double>(sums));
  const auto tokens = static_cast<double>(batch_sequences_ * length_);
  LossTerms means;
  means.rec = sums[0] / (tokens * static_cast<double>(student_.layers.size()));
  means.kl = sums[1] / tokens;
  means.task = sums[2] / static_cast<double>(batch_sequences_ * (length_ - 1));
  return means;
}

void JointPass::start(const std::vector<TrainingText::Window>& batch) {
  batch_sequences_ = static_cast<std::int64_t>(batch.size());
  const SequenceRange range = share_windows(batch_sequences_, batch_sequences_, context_.communicator).mine;
  sequences_ = range.count;
  ids_ = tokens_of(batch, range);
  sums_ = {};
  if (sequences_ > 0) {
    ops::embed(backend_, ids_, std::as_const(ends_.embedding).view(),
               embedding_scale(student_, context_.compute_dtype), boundary(0, 0, mine()));
  }
  if (teacher_) {
    teacher_->start(ids_, mine());
  }
}

Matrix JointPass::boundary(std::int64_t index, std::int64_t first, TokenBatch batch) {
  return boundaries_[static_cast<std::size_t>(index)].view().rows_from(first, batch.tokens());
}

double JointPass::sum_of(ConstMatrix losses) const {
  double sum = 0.0;
  for (const float loss : to_host(backend_, losses)) {
    sum += static_cast<double>(loss);
  }
  return sum;
}

// 1.
void JointPass::forward() {
  const std::int64_t layers = sweep_.layers();
  sweep_.forward([&](const Sweep::Visit& visit) {
    sweep_.for_each_micro_batch(mine(), [&](std::int64_t first, TokenBatch batch) {
      const Matrix after = boundary(visit.layer + 1, first, batch);
      ops::convert(backend_, boundary(visit.layer, first, batch), after);
      sweep_.pass(visit.weights, batch, after);
    });
    if (teacher_ && visit.layer < teacher_->layers()) {
      teacher_->advance(visit.layer);
    }
    if (settings_.alpha > 0.0) {
      compare(visit.layer);
    }
  });
  for (std::int64_t layer = layers; teacher_ && layer < teacher_->layers(); ++layer) {
    teacher_->advance(layer);
  }
}

void JointPass::compare(std::int64_t layer) {
  const auto all =
      static_cast<double>(batch_sequences_ * length_) * static_cast<double>(student_.layers.size());
  sweep_.for_each_micro_batch(mine(), [&](std::int64_t first, TokenBatch batch) {
    const Matrix losses = losses_.view().cols_from(0, batch.tokens());
    Matrix gradient = recovery_[static_cast<std::size_t>(layer)].view().rows_from(first, batch.tokens());
    ops::relative_error(backend_, boundary(layer + 1, first, batch), teacher_->stream(first, batch.tokens()),
                        settings_.alpha / all, losses, gradient);
    sums_.rec += sum_of(losses);
  });
}

// 2. Sequence by sequence, which bounds the memory of the output layer's operands.
void JointPass::output() {
  ops::convert(backend_, weights_.final_norm(), ends_.final_norm.view());
  const Matrix gain_gradient = gradients_.start_final_norm();
  const auto windows = static_cast<double>(batch_sequences_);
  const double per_token = settings_.kl / (windows * static_cast<double>(length_));
  const double per_prediction = settings_.delta / (windows * static_cast<double>(length_ - 1));
  for (std::int64_t sequence = 0; sequence < sequences_; ++sequence) {
    const std::int64_t first = sequence * length_;
    const Matrix last = boundaries_.back().view().rows_from(first, length_);
    const Matrix gradient = gradient_.view().rows_from(first, length_);
    backend_.fill_zero(gradient);
    if (settings_.kl > 0.0) {
      sums_.kl += output_.divergence(last, ends_, teacher_->stream(first, length_), teacher_->ends(),
                                     per_token, gradient, gain_gradient);
    }
    if (settings_.delta > 0.0) {
      const auto ids =
          std::span(ids_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(length_));
      sums_.task += output_.task(last, ends_, next_token_labels(ids, {1, length_}), per_prediction, gradient,
                                 gain_gradient);
    }
  }
  gradients_.reduce_final_norm();
}

// 3.
void JointPass::backward() {
  sweep_.backward([&](const Sweep::Visit& visit) {
    const LayerWeightsMutable& gradients = gradients_.start(visit.layer);
    sweep_.for_each_micro_batch(mine(), [&](std::int64_t first, TokenBatch batch) {
      const Matrix carried = gradient_.view().rows_from(first, batch.tokens());
      if (settings_.alpha > 0.0) {
        OwnedMatrix& recovery = recovery_[static_cast<std::size_t>(visit.layer)];
        ops::add(backend_, recovery.view().rows_from(first, batch.tokens()), carried);
      }
      sweep_.runner().layer_gradients(visit.weights, batch, boundary(visit.layer, first, batch), carried,
                                      gradients);
    });
    gradients_.reduce(visit.layer);
  });
}

}  // namespace cce
