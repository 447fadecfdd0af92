#pragma once
#include "worker/numeric/similarity.h"
#include "worker/stages/analyze/analyze.h"

namespace cce {

/// The 2 L × s² buffer of docs/method.md 3.1: owners fill the rows of their layers, one all-reduce makes it
/// whole.
class SignatureTable {
 public:
  explicit SignatureTable(StageContext& context);

  /// Fills the rows of an owned layer from its output weights and centred covariances.
  void add_layer(std::int64_t layer, const LayerWeights& weights, const LayerStatistics& statistics,
                 double tokens);
  /// Collective. Every rank gets the same matrices, clusters and cost factors.
  void finish(KindSimilarity& ffn, KindSimilarity& attention);

 private:
  void add_sub_block(std::int64_t row, ConstMatrix output, const SubBlockStatistics& statistics,
                     double tokens);
  KindSimilarity finish_kind(std::int64_t first_row);

  StageContext& context_;
  SimilaritySketch sketch_;
  OwnedMatrix rows_;  ///< FFN of every layer, then attention of every layer; f64
};

}  // namespace cce
