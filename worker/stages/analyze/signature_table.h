#pragma once
#include "worker/numeric/similarity.h"
#include "worker/passes/sub_block.h"
#include "worker/stages/analyze/analyze.h"

namespace cce {

/// The 2 L × s² buffer of docs/method.md 3.1: owners fill the rows of their layers, one all-reduce makes it
/// whole.
class SignatureTable {
 public:
  explicit SignatureTable(StageContext& context);

  /// Fills the row of one sub-block of an owned layer from W (n × d) and C̄ (n × n), f64.
  void add(std::int64_t layer, SubBlock kind, ConstMatrix output_weights, ConstMatrix centred);
  /// Collective. Every rank gets the same matrices, clusters and cost factors.
  void finish(KindSimilarity& ffn, KindSimilarity& attention);

 private:
  KindSimilarity finish_kind(std::int64_t first_row);

  StageContext& context_;
  SimilaritySketch sketch_;
  OwnedMatrix rows_;  ///< FFN of every layer, then attention of every layer; f64
};

}  // namespace cce
