#pragma once
#include <cstdint>
#include <vector>

#include "common/model/model_config.h"

namespace cce {

/// Head outputs O of a layer stand head by head, group by group: the features of head r of group g are
/// [(g R + r) vo_dim, (g R + r + 1) vo_dim).
std::int64_t first_feature_of_head(const LayerShape& shape, std::int64_t group, std::int64_t head_in_group);

/// The features of each KV group, ascending.
std::vector<std::vector<std::int32_t>> features_of_groups(const LayerShape& shape);

}  // namespace cce
