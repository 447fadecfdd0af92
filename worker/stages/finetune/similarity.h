#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "worker/model/block.h"
#include "worker/numeric/similarity_loss.h"
#include "worker/passes/sub_block.h"
#include "worker/stages/finetune/gradients.h"
#include "worker/stages/finetune/text.h"
#include "worker/stages/finetune/weights.h"

namespace cce {

/// L_sim (docs/method.md 3.5): the mean over kinds of the mean of S(i, j)² over the pairs of sub-blocks of
/// that kind which share a cluster, S through the sketches of docs/method.md 3.1. Covariances and clusters
/// are those of the student as training starts, and stay. Owners hold their sub-blocks' covariances;
/// signatures are all-reduced at every step. One thread; all calls collective.
class SimilarityTerm {
 public:
  /// Runs the student as `weights` are now over these windows, shared out over the ranks, for the
  /// covariances; then clusters at similarity.cluster_threshold. The weights must outlive it. Errors:
  /// does_not_fit.
  SimilarityTerm(StageContext& context, StudentWeights& weights,
                 const std::vector<TrainingText::Window>& windows);

  /// Adds beta times the term's gradient to the reduced gradients of this rank's layers. Returns L_sim; 0
  /// where no sub-block has a partner.
  double add(StudentGradients& gradients);
  /// Pairs over which the term is a mean.
  std::int64_t pairs() const;

 private:
  /// The sub-blocks of one kind, layer by layer.
  struct Kind {
    SubBlock name = SubBlock::attention;
    std::vector<std::vector<std::int32_t>> clusters;       ///< with at least two members
    std::vector<std::optional<SketchedWeights>> sketched;  ///< of owned sub-blocks
  };
  void measure(const std::vector<TrainingText::Window>& windows);
  void take_covariance(Kind& kind, std::int64_t layer, Matrix gram, Matrix sum, std::int64_t tokens);
  void find_clusters(Kind& kind);
  OwnedMatrix signatures(Kind& kind);

  StageContext& context_;
  StudentWeights& weights_;
  SimilaritySketch sketch_;
  SketchMaps maps_;
  std::array<Kind, 2> kinds_;
};

}  // namespace cce
