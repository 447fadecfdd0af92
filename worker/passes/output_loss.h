#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "worker/model/block.h"
#include "worker/model/checkpoint.h"
#include "worker/passes/stage_context.h"

namespace cce {

/// Next-token losses of single windows at the end of a model, on one rank. One thread; all must outlive it.
class OutputLoss {
 public:
  OutputLoss(StageContext& context, BlockRunner& runner, const EndWeights& ends, std::int64_t length);

  /// −ln p of each token given those before it, of a window's last residual stream (length × d) and its
  /// tokens: entry i is the loss of predicting token i + 1; length − 1 of them.
  const std::vector<float>& losses(ConstMatrix stream, std::span<const std::int32_t> ids);

 private:
  StageContext& context_;
  BlockRunner& runner_;
  const EndWeights& ends_;
  OwnedMatrix losses_;
  std::vector<float> host_;
};

}  // namespace cce
