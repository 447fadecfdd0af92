#include "worker/stages/finetune/teacher.h"

#include <string>
#include <utility>

#include "worker/passes/allocate.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

Partition partition_for(const StageContext& context, std::size_t layers) {
  Partition partition = context.partition;
  const std::size_t owned = partition.owner.size();
  partition.owner.resize(layers);
  for (std::size_t layer = owned; layer < layers; ++layer) {
    partition.owner[layer] = static_cast<std::int32_t>(layer) % context.communicator.size();
  }
  return partition;
}

void check_vocabulary(const StageContext& context, const ModelConfig& teacher, const std::string& folder) {
  if (teacher.vocabulary_size != context.dense().vocabulary_size) {
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = "finetune.teacher, " + folder,
                .found = "a vocabulary of " + std::to_string(teacher.vocabulary_size),
                .expected = std::to_string(context.dense().vocabulary_size) + ", as the model has",
                .remedy = "Name the checkpoint that the model was made from"};
  }
}

}  // namespace

Teacher::Teacher(StageContext& context, const Checkpoint& checkpoint, std::int64_t max_tokens)
    : checkpoint_(checkpoint),
      backend_(context.backend),
      partition_(partition_for(context, checkpoint.config().layers.size())),
      source_(checkpoint, context.compute_dtype),
      sweep_(context, checkpoint.config(), source_, context.delivery, partition_) {
  check_vocabulary(context, checkpoint.config(), checkpoint.folder().string());
  embedding_scale_ = embedding_scale(checkpoint.config(), context.compute_dtype);
  ends_ = checkpoint.end_weights(backend_, context.compute_dtype);
  stream_ = allocate(backend_, context.compute_dtype,
                     cost::stream_size(max_tokens, checkpoint.config().hidden_size));
}

void Teacher::start(std::span<const std::int32_t> ids, TokenBatch batch) {
  batch_ = batch;
  if (batch.sequences > 0) {
    ops::embed(backend_, ids, std::as_const(ends_.embedding).view(), embedding_scale_,
               stream(0, batch.tokens()));
  }
}

void Teacher::advance(std::int64_t layer) {
  sweep_.forward(layer, layer + 1, [&](const Sweep::Visit& visit) {
    sweep_.for_each_micro_batch(batch_, [&](std::int64_t first, TokenBatch part) {
      sweep_.pass(visit.weights, part, stream(first, part.tokens()));
    });
  });
}

}  // namespace cce
