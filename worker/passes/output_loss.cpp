#include "worker/passes/output_loss.h"

#include "worker/model/model_runner.h"
#include "worker/tensor/ops.h"

namespace cce {

OutputLoss::OutputLoss(StageContext& context, BlockRunner& runner, const EndWeights& ends,
                       std::int64_t length)
    : context_(context),
      runner_(runner),
      ends_(ends),
      losses_(context.backend.matrix(DType::f32, 1, length)) {}

const std::vector<float>& OutputLoss::losses(ConstMatrix stream, std::span<const std::int32_t> ids) {
  const std::int64_t length = losses_.cols();
  const std::vector<std::int32_t> labels = next_token_labels(ids, {1, length});
  const ConstMatrix hidden = runner_.normalised(ends_.final_norm.view(), stream, context_.compute_dtype);
  ops::output_losses(context_.backend, hidden, ends_.head(), labels, losses_.view());
  host_.resize(static_cast<std::size_t>(length));
  context_.backend.download(losses_.view(), {host_.data(), DType::f32, 1, length, length});
  host_.pop_back();  // the last token has no successor in its window
  return host_;
}

}  // namespace cce
