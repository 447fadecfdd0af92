#include "worker/stages/finetune/validation.h"

#include "worker/stages/calibrate/calibration_data.h"
#include "worker/stages/evaluate/model_evaluation.h"
#include "worker/tensor/ops.h"

namespace cce {

Validation::Validation(StageContext& context, StudentWeights& weights)
    : context_(context), weights_(weights) {
  for (const TextSource& source : context.spec.finetune.validation) {
    for (auto& window : share_text_windows(context, source)) {
      windows_.push_back(std::move(window));
    }
  }
}

double Validation::perplexity() {
  EndWeights ends = context_.checkpoint.end_weights(context_.backend, context_.compute_dtype);
  ops::convert(context_.backend, weights_.final_norm(), ends.final_norm.view());
  const EvaluatedModel model{weights_.student(), weights_, ends, LayerDelivery::broadcast};
  return evaluate_losses(context_, model, windows_).perplexity();
}

}  // namespace cce
