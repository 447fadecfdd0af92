#include "worker/stages/analyze/feature_groups.h"

#include <numeric>

namespace cce {

std::int64_t first_feature_of_head(const LayerShape& shape, std::int64_t group, std::int64_t head_in_group) {
  return (group * shape.queries_per_group + head_in_group) * shape.vo_dim;
}

std::vector<std::vector<std::int32_t>> features_of_groups(const LayerShape& shape) {
  std::vector<std::vector<std::int32_t>> result;
  const std::int64_t width = shape.queries_per_group * shape.vo_dim;
  for (std::int64_t group = 0; group < shape.kv_groups; ++group) {
    std::vector<std::int32_t> features(static_cast<std::size_t>(width));
    std::iota(features.begin(), features.end(),
              static_cast<std::int32_t>(first_feature_of_head(shape, group, 0)));
    result.push_back(std::move(features));
  }
  return result;
}

}  // namespace cce
