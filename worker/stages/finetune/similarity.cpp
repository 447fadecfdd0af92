#include "worker/stages/finetune/similarity.h"

#include <algorithm>
#include <span>
#include <utility>

#include "worker/comm/device/device_exchange.h"
#include "worker/numeric/gram.h"
#include "worker/numeric/similarity.h"
#include "worker/passes/sweep.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

/// This rank's windows: every P-th.
std::vector<std::int32_t> own_tokens(const Communicator& communicator,
                                     const std::vector<TrainingText::Window>& windows) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = static_cast<std::size_t>(communicator.rank()); i < windows.size();
       i += static_cast<std::size_t>(communicator.size())) {
    ids.insert(ids.end(), windows[i].begin(), windows[i].end());
  }
  return ids;
}

}  // namespace

SimilarityTerm::SimilarityTerm(StageContext& context, StudentWeights& weights,
                               const std::vector<TrainingText::Window>& windows)
    : context_(context),
      weights_(weights),
      sketch_(context.backend, weights.hidden_size(), static_cast<std::uint64_t>(context.spec.seed)),
      maps_(context.backend, sketch_) {
  for (Kind& kind : kinds_) {
    kind.sketched.resize(weights.student().layers.size());
  }
  kinds_[1].name = SubBlock::ffn;
  measure(windows);
  for (Kind& kind : kinds_) {
    find_clusters(kind);
  }
}

/// One forward pass; the features of each sub-block as they go by.
void SimilarityTerm::measure(const std::vector<TrainingText::Window>& windows) {
  Backend& backend = context_.backend;
  Sweep sweep(context_, weights_.student(), weights_, LayerDelivery::broadcast);
  const std::vector<std::int32_t> ids = own_tokens(context_.communicator, windows);
  const auto length = static_cast<std::int64_t>(windows.front().size());
  const auto tokens = static_cast<std::int64_t>(ids.size());
  const TokenBatch mine{tokens / length, length};
  const auto all_tokens = static_cast<std::int64_t>(windows.size()) * length;
  OwnedMatrix hidden = backend.matrix(DType::f32, std::max<std::int64_t>(tokens, 1), weights_.hidden_size());
  if (tokens > 0) {
    const OwnedMatrix embedding = context_.checkpoint.embedding(backend, context_.compute_dtype);
    ops::embed(backend, ids, embedding.view(), embedding_scale(weights_.student(), context_.compute_dtype),
               hidden.view());
  }
  sweep.forward([&](const Sweep::Visit& visit) {
    for (Kind& kind : kinds_) {
      if (!has(visit.weights.shape, kind.name)) {
        continue;
      }
      GramAccumulator sums(backend, feature_width(visit.weights.shape, kind.name));
      sweep.for_each_micro_batch(mine, 1, [&](std::int64_t first, TokenBatch batch) {
        const Matrix rows = hidden.view().rows_from(first, batch.tokens());
        sums.add(sweep.step(kind.name, visit.weights, batch, rows, rows));
      });
      sweep.reduce_to_owner(visit.layer, sums.gram());
      sweep.reduce_to_owner(visit.layer, sums.feature_sum());
      if (visit.owner) {
        take_covariance(kind, visit.layer, sums.gram(), sums.feature_sum(), all_tokens);
      }
    }
  });
}

void SimilarityTerm::take_covariance(Kind& kind, std::int64_t layer, Matrix gram, Matrix sum,
                                     std::int64_t tokens) {
  const OwnedMatrix covariance = centred_covariance(context_.backend, gram, sum, tokens);
  kind.sketched[static_cast<std::size_t>(layer)].emplace(context_.backend, maps_, covariance.view());
}

/// L × size, every rank's rows on every rank; rows of sub-blocks that were removed or have no partner stay 0.
OwnedMatrix SimilarityTerm::signatures(Kind& kind) {
  OwnedMatrix all = context_.backend.zeros(DType::f64, context_.layers(), maps_.size());
  for (std::size_t layer = 0; layer < kind.sketched.size(); ++layer) {
    if (kind.sketched[layer]) {
      const auto index = static_cast<std::int64_t>(layer);
      const LayerWeights weights = weights_.master(index);
      kind.sketched[layer]->signature(part_view(weights, output_part(kind.name)),
                                      all.view().rows_from(index, 1));
    }
  }
  all_reduce_sum(context_.communicator, context_.backend, all.view());
  return all;
}

void SimilarityTerm::find_clusters(Kind& kind) {
  const OwnedMatrix all = signatures(kind);
  const OwnedMatrix similarity = similarity_matrix(context_.backend, std::as_const(all).view());
  std::vector<bool> has_partner(kind.sketched.size(), false);
  const HostRead host(context_.backend, similarity.view());
  for (auto& cluster : cluster_by_similarity(host.view(), context_.spec.similarity.cluster_threshold)) {
    std::erase_if(cluster, [&](std::int32_t layer) {  // a threshold of 0 takes in even what is not there
      return !has(weights_.student().layers[static_cast<std::size_t>(layer)], kind.name);
    });
    if (cluster.size() > 1) {
      for (const std::int32_t member : cluster) {
        has_partner[static_cast<std::size_t>(member)] = true;
      }
      kind.clusters.push_back(std::move(cluster));
    }
  }
  for (std::size_t layer = 0; layer < kind.sketched.size(); ++layer) {
    if (!has_partner[layer]) {
      kind.sketched[layer].reset();
    }
  }
}

std::int64_t SimilarityTerm::pairs() const {
  std::int64_t total = 0;
  for (const Kind& kind : kinds_) {
    for (const auto& cluster : kind.clusters) {
      total += static_cast<std::int64_t>(cluster.size() * (cluster.size() - 1) / 2);
    }
  }
  return total;
}

double SimilarityTerm::add(StudentGradients& gradients) {
  double total = 0.0;
  const auto kinds = static_cast<double>(
      std::count_if(kinds_.begin(), kinds_.end(), [](const Kind& kind) { return !kind.clusters.empty(); }));
  for (Kind& kind : kinds_) {
    if (kind.clusters.empty()) {
      continue;
    }
    const OwnedMatrix all = signatures(kind);
    OwnedMatrix slopes = context_.backend.zeros(DType::f64, all.rows(), all.cols());
    const HostRead host_signatures(context_.backend, all.view());
    HostEdit host_slopes(context_.backend, slopes.view(), HostEdit::Start::uninitialised);
    total += similarity_loss(host_signatures.view(), kind.clusters, host_slopes.view()) / kinds;
    host_slopes.write_back();
    for (std::size_t layer = 0; layer < kind.sketched.size(); ++layer) {
      if (kind.sketched[layer]) {
        const auto index = static_cast<std::int64_t>(layer);
        LayerWeightsMutable gradient = gradients.parts(index);
        kind.sketched[layer]->add_gradient(std::as_const(slopes).view().rows_from(index, 1),
                                           context_.spec.finetune.beta / kinds,
                                           part_view(gradient, output_part(kind.name)));
      }
    }
  }
  return total;
}

}  // namespace cce
