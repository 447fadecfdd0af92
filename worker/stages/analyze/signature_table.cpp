#include "worker/stages/analyze/signature_table.h"

#include <span>

#include "worker/comm/device/device_exchange.h"
#include "worker/numeric/gram.h"
#include "worker/stages/analyze/loss_metric.h"
#include "worker/tensor/host_access.h"

namespace cce {

SignatureTable::SignatureTable(StageContext& context)
    : context_(context),
      sketch_(context.backend, context.dense().hidden_size, static_cast<std::uint64_t>(context.spec.seed)),
      rows_(context.backend.zeros(DType::f64, 2 * context.layers(), sketch_.size())) {}

void SignatureTable::add_layer(std::int64_t layer, const LayerWeights& weights,
                               const LayerStatistics& statistics, double tokens) {
  if (weights.shape.has_ffn) {
    add_sub_block(layer, weights.down, statistics.ffn, tokens);
  }
  if (weights.shape.has_attention) {
    add_sub_block(context_.layers() + layer, weights.o, statistics.attention, tokens);
  }
}

void SignatureTable::add_sub_block(std::int64_t row, ConstMatrix output, const SubBlockStatistics& statistics,
                                   double tokens) {
  Backend& backend = context_.backend;
  const OwnedMatrix centred =
      centred_covariance(backend, statistics.covariance.view(), statistics.feature_sum.view(),
                         static_cast<std::int64_t>(tokens));
  sketch_.apply(backend, transposed_f64(backend, output).view(), centred.view(),
                rows_.view().rows_from(row, 1));
}

void SignatureTable::finish(KindSimilarity& ffn, KindSimilarity& attention) {
  all_reduce_sum(context_.communicator, context_.backend, rows_.view());
  ffn = finish_kind(0);
  attention = finish_kind(context_.layers());
}

KindSimilarity SignatureTable::finish_kind(std::int64_t first_row) {
  const OwnedMatrix similarity =
      similarity_matrix(context_.backend, rows_.view().rows_from(first_row, context_.layers()));
  const SimilaritySettings& settings = context_.spec.similarity;
  KindSimilarity result;
  result.matrix = host_values(context_.backend, similarity.view());
  const ConstMatrix host{result.matrix.data(), DType::f64, similarity.rows(), similarity.cols(),
                         similarity.cols()};
  result.clusters = cluster_by_similarity(host, settings.cluster_threshold);
  result.cost_factor = similarity_cost_factors(host, result.clusters, settings.weight);
  return result;
}

}  // namespace cce
