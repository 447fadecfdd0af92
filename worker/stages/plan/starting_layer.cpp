#include "worker/stages/plan/starting_layer.h"

#include <span>
#include <utility>
#include <vector>

#include "worker/model/pruned_layer.h"
#include "worker/numeric/counter_random.h"
#include "worker/numeric/eliminated_solution.h"
#include "worker/stages/analyze/analyze_layer.h"
#include "worker/stages/analyze/feature_groups.h"
#include "worker/stages/analyze/loss_metric.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

/// A host matrix in f64 on the backend, and back in f32.
OwnedMatrix to_f64(Backend& backend, ConstMatrix host) {
  OwnedMatrix result = backend.matrix(DType::f64, host.rows, host.cols);
  ops::convert(backend, OnBackend(backend, host).view(), result.view());
  return result;
}
void to_host_f32(Backend& backend, ConstMatrix source, Matrix host) {
  OwnedMatrix narrow = backend.matrix(DType::f32, source.rows, source.cols);
  ops::convert(backend, source, narrow.view());
  backend.download(narrow.view(), host);
}

/// The kept groups' features of O, ascending.
std::vector<std::int32_t> features_of(const LayerShape& shape, const std::vector<std::int32_t>& groups) {
  const auto all = features_of_groups(shape);
  std::vector<std::int32_t> result;
  for (const std::int32_t group : groups) {
    const auto& features = all[static_cast<std::size_t>(group)];
    result.insert(result.end(), features.begin(), features.end());
  }
  return result;
}

// 3., W_0 of the kept groups, in × out.
OwnedMatrix outputs_of_groups(Backend& backend, const LayerWeights& weights, const LayerPlan& plan,
                              const SubBlockStatistics& statistics, double tokens,
                              const EncodeSettings& settings) {
  const OnBackend output(backend, weights.o);
  const OwnedMatrix covariance = loss_covariance(backend, statistics, tokens, settings);
  return eliminated_solution(backend, covariance.view(), transposed_f64(backend, output.view()).view(),
                             features_of(weights.shape, plan.kv_groups), covariance_ridge);
}

// 3., the change of basis: `outputs` is W_0 of the kept groups, in × out.
void narrow_values(Backend& backend, const LayerShape& dense, const LayerPlan& plan,
                   const std::vector<HeadSpectrum>& spectra, ConstMatrix outputs, HostLayer& layer) {
  const std::int64_t hidden = outputs.cols;
  const std::int64_t heads = dense.queries_per_group;
  const auto groups = static_cast<std::int64_t>(plan.kv_groups.size());
  HostMatrix values(groups * plan.vo_dim, hidden);
  HostMatrix value_bias(layer.v_bias.empty() ? 0 : 1, groups * plan.vo_dim);
  OwnedMatrix narrowed = backend.matrix(DType::f64, groups * heads * plan.vo_dim, hidden);
  for (std::int64_t i = 0; i < groups; ++i) {
    const auto group = static_cast<std::size_t>(plan.kv_groups[static_cast<std::size_t>(i)]);
    const HeadProjection projection = project_head(backend, spectra[group], plan.vo_dim);
    const OwnedMatrix wide =
        to_f64(backend, std::as_const(layer.v).view().rows_from(i * dense.vo_dim, dense.vo_dim));
    const OwnedMatrix narrow = project_value_rows(backend, projection, wide.view());
    to_host_f32(backend, narrow.view(), values.view().rows_from(i * plan.vo_dim, plan.vo_dim));
    if (!layer.v_bias.empty()) {
      const OwnedMatrix bias =
          to_f64(backend, std::as_const(layer.v_bias).view().cols_from(i * dense.vo_dim, dense.vo_dim));
      const Matrix target = value_bias.view().cols_from(i * plan.vo_dim, plan.vo_dim);
      OwnedMatrix product = backend.matrix(DType::f64, 1, plan.vo_dim);
      ops::multiply(backend, bias.view(), Transpose::no, projection.value_map.view(), Transpose::no,
                    product.view());
      to_host_f32(backend, product.view(), target);
    }
    for (std::int64_t head = 0; head < heads; ++head) {
      const std::int64_t index = i * heads + head;
      ops::multiply(backend, projection.output_map.view(), Transpose::no,
                    outputs.rows_from(index * dense.vo_dim, dense.vo_dim), Transpose::no,
                    narrowed.view().rows_from(index * plan.vo_dim, plan.vo_dim));
    }
  }
  layer.v = std::move(values);
  layer.v_bias = std::move(value_bias);
  store_transposed(backend, std::as_const(narrowed).view(), layer.o);
}

/// Ablation: what each removed neuron did is added to a survivor drawn at random.
void scatter_outputs(ConstMatrix dense_down, const LayerPlan& plan, std::uint64_t seed, HostMatrix& down) {
  const CounterRandom random(seed, RandomStream::scatter);
  std::vector<bool> kept(static_cast<std::size_t>(dense_down.cols), false);
  for (const std::int32_t neuron : plan.ffn_neurons) {
    kept[static_cast<std::size_t>(neuron)] = true;
  }
  for (std::int64_t neuron = 0; neuron < dense_down.cols; ++neuron) {
    if (kept[static_cast<std::size_t>(neuron)]) {
      continue;
    }
    const double drawn = random.uniform(static_cast<std::uint64_t>(neuron)) * static_cast<double>(down.cols);
    const auto survivor = static_cast<std::int64_t>(drawn);
    for (std::int64_t row = 0; row < down.rows; ++row) {
      down.row(row)[survivor] += dense_down.as<float>()[row * dense_down.stride + neuron];
    }
  }
}

/// Gives every part of the shape that selection did not bring a matrix of zeros: the added biases.
void add_missing_biases(HostLayer& layer, const LayerShape& shape, std::int64_t hidden_size) {
  HostLayer zeros = make_host_layer(shape, hidden_size);
  layer.shape = shape;
  for (const TensorRole part : layer_roles()) {
    if (part_view(layer, part).empty()) {
      part_view(layer, part) = std::move(part_view(zeros, part));
    }
  }
}

}  // namespace

bool narrows_values(const LayerShape& dense, const LayerPlan& plan) {
  return plan.keep_attention && plan.vo_dim < dense.vo_dim;
}

HostLayer make_starting_layer(Backend& backend, const LayerWeights& weights, const LayerPlan& plan,
                              const LayerShape& compressed_shape, const LayerStatistics& statistics,
                              double tokens, const std::vector<HeadSpectrum>& value_spectra,
                              const JobSpec& spec) {
  const EncodeSettings& settings = spec.encode;
  HostLayer layer = prune_layer(weights, plan);  // 1.
  const bool redistributes = settings.target != RefitTarget::none && settings.target != RefitTarget::random;
  const LayerShape& dense = weights.shape;
  if (plan.keep_ffn && redistributes && compressed_shape.ffn_width < dense.ffn_width) {  // 2.
    const OnBackend down(backend, weights.down);
    const OwnedMatrix covariance = loss_covariance(backend, statistics.ffn, tokens, settings);
    const OwnedMatrix outputs = transposed_f64(backend, down.view());
    store_transposed(
        backend,
        eliminated_solution(backend, covariance.view(), outputs.view(), plan.ffn_neurons, covariance_ridge)
            .view(),
        layer.down);
  }
  if (plan.keep_ffn && settings.target == RefitTarget::random) {
    scatter_outputs(weights.down, plan, static_cast<std::uint64_t>(spec.seed), layer.down);
  }
  const bool fewer_groups = compressed_shape.kv_groups < dense.kv_groups;
  const bool narrower = narrows_values(dense, plan);
  if (plan.keep_attention && (narrower || (redistributes && fewer_groups))) {  // 3.
    const OwnedMatrix outputs =
        redistributes && fewer_groups
            ? outputs_of_groups(backend, weights, plan, statistics.attention, tokens, settings)
            : transposed_f64(backend, OnBackend(backend, std::as_const(layer.o).view()).view());
    if (narrower) {
      narrow_values(backend, dense, plan, value_spectra, outputs.view(), layer);
    } else {
      store_transposed(backend, outputs.view(), layer.o);
    }
  }
  add_missing_biases(layer, compressed_shape, hidden_size_of(weights));
  return layer;
}

}  // namespace cce
