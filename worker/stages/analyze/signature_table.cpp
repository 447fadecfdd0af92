#include "worker/stages/analyze/signature_table.h"

#include <span>

#include "worker/comm/device/device_exchange.h"
#include "worker/tensor/host_access.h"

namespace cce {

SignatureTable::SignatureTable(StageContext& context)
    : context_(context),
      sketch_(context.backend, context.dense().hidden_size, static_cast<std::uint64_t>(context.spec.seed)),
      rows_(context.backend.zeros(DType::f64, 2 * context.layers(), sketch_.size())) {}

void SignatureTable::add(std::int64_t layer, SubBlock kind, ConstMatrix output_weights, ConstMatrix centred) {
  const std::int64_t row = kind == SubBlock::ffn ? layer : context_.layers() + layer;
  sketch_.apply(context_.backend, output_weights, centred, rows_.view().rows_from(row, 1));
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
