#pragma once
#include <cstdint>
#include <vector>

#include "common/cost/stage_sizes.h"
#include "worker/passes/stage_context.h"
#include "worker/passes/sub_block.h"
#include "worker/stages/encode/normed_output.h"
#include "worker/stages/encode/refit_sums.h"
#include "worker/stages/encode/stream_pair.h"

namespace cce {

/// The refit of one sub-block's output weights after another (docs/method.md 3.4), on all ranks together:
///   W = argmin Σ_t ω_t ‖f_t W − y_t‖² + ‖Λ^½ (W − W_0)‖²,  ω_t = 1/‖h_t‖²
/// h is the dense stream after the sub-block, W_0 the outputs that the starting layer has; λ is chosen on the
/// held-out sequences. One thread.
class OutputRefit {
 public:
  /// sizes: of this rank's encode; width: of the widest sub-block that is refitted.
  OutputRefit(StageContext& context, const StreamPair& streams, const cost::EncodeSizes& sizes,
              std::int64_t width);

  void start(std::int64_t features);
  /// `normed`: where what the sub-block adds is normed, features and targets are of what comes before.
  void add(const MicroBatch& micro_batch, ConstMatrix features, ConstMatrix targets, ConstMatrix dense_after,
           NormedOutput& normed);
  /// Collective. At the owner: `layer` gets its new outputs, and bias where its shape has one. null
  /// elsewhere.
  void solve(std::int64_t layer_index, int owner, SubBlock kind, HostLayer* layer);

  /// What is left of the stream's error after the sub-block, e = dense − compressed, in nats: ½ tr(S_g E[eᵀ
  /// e]); e carried to before the norm where what the sub-block adds is normed, as S_g is.
  void start_measuring();
  void measure(const MicroBatch& micro_batch, ConstMatrix dense, ConstMatrix compressed,
               NormedOutput& normed);
  /// Collective. At the owner, whose `gradient` is S_g (d × d): the nats. 0 elsewhere and where there is no
  /// S_g.
  double finish_measuring(int owner, const HostMatrix* gradient);

 private:
  std::vector<double> candidates() const;

  StageContext& context_;
  Backend& backend_;
  bool anything_held_out_;
  double weight_sum_ = 0.0;
  RefitSums fitting_, held_out_;
  OwnedMatrix weights_root_, error_, narrow_error_, error_gram_;
};

}  // namespace cce
